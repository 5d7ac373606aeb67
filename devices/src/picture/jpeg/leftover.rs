//! Bytes that cameras leave over behind the blocks of a scan.
//!
//! Common webcams (Logitech C270, C910) leave 1 to 9 bytes of anything before some of their restart
//! markers, in nearly every picture; others fill up words before the end marker. All blocks are
//! there and nobody sees it, so it is no damage. What a lost packet leaves over is longer, or its
//! restart markers do not follow each other.

/// Most bytes before a marker that count as left over rather than lost. Raising it makes damage
/// pass that ends by chance near a marker; lowering it condemns whole cameras.
const MOST: usize = 16;

/// Whether the library complains of nothing else than bytes left over.
///
/// It tells its first complaint alone, so the order of restart markers, whose complaint would come
/// second, is looked at here.
pub(super) fn is_harmless(complaint: &str, data: &[u8]) -> bool {
    let (Some((n_bytes, marker)), Some(scan)) = (parse(complaint), Scan::find(data)) else {
        return false;
    };
    let padding = scan.data.iter().rev().take(n_bytes);
    match marker {
        0xd0..=0xd7 => scan.in_order && n_bytes <= MOST,
        0xd9 if scan.n_restarts > 0 => scan.in_order && n_bytes <= MOST,
        0xd9 => padding.copied().all(|byte| byte == 0 || byte == 0xff),
        _ => false,
    }
}

/// The count and the marker of "3 extraneous bytes before marker 0xd9".
fn parse(complaint: &str) -> Option<(usize, u8)> {
    let (n_bytes, marker) = complaint.split_once(" extraneous bytes before marker 0x")?;
    Some((n_bytes.parse().ok()?, u8::from_str_radix(marker, 16).ok()?))
}

/// The data of the first scan, up to the end marker.
struct Scan<'a> {
    data: &'a [u8],
    n_restarts: usize,
    /// Whether the restart markers count from 0 to 7 and again.
    in_order: bool,
}

impl<'a> Scan<'a> {
    fn find(data: &'a [u8]) -> Option<Self> {
        let data = data.get(scan_start(data)?..)?;
        let (mut n_restarts, mut in_order) = (0, true);
        for (at, pair) in data.windows(2).enumerate() {
            match *pair {
                [0xff, 0xd9] => {
                    let data = &data[..at];
                    return Some(Self {
                        data,
                        n_restarts,
                        in_order,
                    });
                }
                [0xff, marker @ 0xd0..=0xd7] => {
                    in_order &= usize::from(marker - 0xd0) == n_restarts % 8;
                    n_restarts += 1;
                }
                _ => {}
            }
        }
        None
    }
}

/// Where the data of the first scan begin, behind the segments of the header.
fn scan_start(data: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // Any number of fill bytes may precede a marker; T.81 §B.1.1.2.
        at += data.get(at..)?.iter().position(|&byte| byte != 0xff)?;
        let &[marker, high, low] = data.get(at..at + 3)? else {
            return None;
        };
        at += 1 + usize::from(u16::from_be_bytes([high, low]));
        if marker == 0xda {
            return Some(at);
        }
    }
}
