//! Bytes that cameras leave over behind the blocks of a scan.
//!
//! Common webcams (Logitech C270, C910) leave 1 to 9 bytes of anything before their restart markers,
//! in nearly every picture; others fill up words before the end marker. All blocks are there and
//! nobody sees it, so it is no damage. What a lost packet leaves over is longer, or its restart
//! markers do not follow each other.

/// Most bytes before a marker that count as left over rather than lost. Raising it makes damage
/// pass that ends by chance near a marker; lowering it condemns whole cameras.
const MOST: usize = 16;

/// Whether the library complains of nothing else than a few bytes left over.
///
/// It tells its first complaint alone, so the order of restart markers, whose complaint would come
/// second, is looked at here.
pub(super) fn is_harmless(complaint: &str, data: &[u8]) -> bool {
    let mut words = complaint.split(' ');
    let n_bytes = words.next().and_then(|word| word.parse::<usize>().ok());
    let is_leftover = complaint.contains(" extraneous bytes before marker 0xd")
        && words.next_back().is_some_and(ends_interval);
    is_leftover && n_bytes.is_some_and(|n| n <= MOST) && restarts_in_order(data) == Some(true)
}

/// A restart marker or the end marker.
fn ends_interval(marker: &str) -> bool {
    let marker = marker.strip_prefix("0x").unwrap_or("");
    matches!(u8::from_str_radix(marker, 16), Ok(0xd0..=0xd7 | 0xd9))
}

/// Whether the restart markers count from 0 to 7 and again; `None` without a scan and its end.
fn restarts_in_order(data: &[u8]) -> Option<bool> {
    let scan = data.get(scan_start(data)?..)?;
    let mut markers = scan.windows(2).filter(|pair| pair[0] == 0xff);
    let mut expected = 0;
    loop {
        match markers.next()?[1] {
            0xd9 => return Some(true),
            marker @ 0xd0..=0xd7 if marker - 0xd0 == expected => expected = (expected + 1) % 8,
            0xd0..=0xd7 => return Some(false),
            _ => {}
        }
    }
}

/// Where the data of the first scan begin, behind the segments of the header.
fn scan_start(data: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // Any number of fill bytes may precede a marker; T.81 §B.1.1.2.
        at += data.get(at..)?.iter().position(|&byte| byte != 0xff)?;
        let marker = *data.get(at)?;
        let length = data.get(at + 1..at + 3)?;
        at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        if marker == 0xda {
            return Some(at);
        }
    }
}
