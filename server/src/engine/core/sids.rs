//! Identifiers that the server hands out: two letters and twelve characters, as LiveKit's.

/// Makes identifiers. They are unique, not secret: knowing one opens nothing without a token.
#[derive(Debug)]
pub(super) struct Sids {
    seed: u64,
    n_made: u64,
}

impl Sids {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, n_made: 0 }
    }

    /// A number that none before had.
    pub(super) fn number(&mut self) -> u64 {
        self.n_made += 1;
        self.n_made
    }

    /// `RM_…`
    pub(super) fn room(&mut self) -> String {
        self.make("RM_")
    }

    /// `PA_…`
    pub(super) fn participant(&mut self) -> String {
        self.make("PA_")
    }

    /// `TR_…`
    pub(super) fn track(&mut self) -> String {
        self.make("TR_")
    }

    fn make(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
        let mut bits = mix(self.seed.wrapping_add(self.number()));
        let mut sid = prefix.to_owned();
        for _ in 0..12 {
            sid.push(char::from(LETTERS[usize::from(bits.to_le_bytes()[0] & 31)]));
            bits >>= 5;
        }
        sid
    }
}

/// A bijection of 64 bits. The 60 that are used repeat after 2^30 identifiers or so, by chance.
///
/// Source: the finalizer of `SplitMix64`, Steele, Lea and Flood, OOPSLA 2014.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
