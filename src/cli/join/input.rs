//! Lines of standard input, without the program waiting for them.

use std::io::{self, BufRead, Read};
use std::thread;

use tokio::sync::mpsc;

/// Longest line; more than a chat message takes.
const MAX_LINE_BYTES: u64 = 32 * 1024;
/// Lines that wait to be done; then whoever writes them waits.
const WAITING_LINES: usize = 16;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line.
    Line(String),
    /// A line that is longer than any that is read.
    TooLong,
}

/// Starts to read. The channel closes at the end of the input.
///
/// The thread is in a read that nothing can end but the input itself, so nobody waits for it: it ends
/// with the program.
pub(super) fn lines() -> io::Result<mpsc::Receiver<Input>> {
    let (sender, receiver) = mpsc::channel(WAITING_LINES);
    thread::Builder::new()
        .name("standard input".to_owned())
        .spawn(move || {
            let mut input = io::stdin().lock();
            while let Ok(Some(line)) = next_line(&mut input) {
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        })?;
    Ok(receiver)
}

/// The next line, in bounded memory; `None` at the end.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Input>> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.last() != Some(&b'\n') && read as u64 == MAX_LINE_BYTES {
        skip_line(input)?;
        return Ok(Some(Input::TooLong));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(Input::Line(text.trim_end().to_owned())))
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        let done = end.is_some() || buffer.is_empty();
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Input> {
        std::iter::from_fn(|| next_line(&mut bytes).unwrap()).collect()
    }

    #[test]
    fn lines_end_at_a_line_feed_or_at_the_end() {
        let line = |text: &str| Input::Line(text.to_owned());
        assert_eq!(
            all(b"a\r\n\nb \xff"),
            [line("a"), line(""), line("b \u{fffd}")]
        );
        assert_eq!(all(b""), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_as_a_whole() {
        let mut bytes = vec![b'x'; 200_000];
        bytes.extend(b"\n/leave\n");
        let after = Input::Line("/leave".to_owned());
        assert_eq!(all(&bytes), [Input::TooLong, after]);
        assert_eq!(all(&vec![b'x'; 200_000]), [Input::TooLong]);
    }
}
