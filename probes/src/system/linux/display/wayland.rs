//! A Wayland compositor, asked for one round trip.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::super::root::Environment;

/// The object that every connection starts with, `wl_display`.
const DISPLAY_ID: u32 = 1;

/// The object that we name: the callback of `wl_display.sync`.
const CALLBACK_ID: u32 = 2;

/// The socket that a Wayland program connects to: `WAYLAND_DISPLAY`, or `wayland-0` if it exists.
///
/// Source: libwayland, `wl_display_connect`.
pub(super) fn socket_path(environment: &Environment) -> Option<PathBuf> {
    let runtime = environment.get("XDG_RUNTIME_DIR").map(Path::new);
    match environment.get("WAYLAND_DISPLAY") {
        // An absolute name replaces the directory.
        Some(name) => Some(runtime.unwrap_or(Path::new("")).join(name)).filter(|p| p.is_absolute()),
        None => runtime
            .map(|path| path.join("wayland-0"))
            .filter(|path| path.exists()),
    }
}

/// Asks the compositor for a callback, and waits for it: a socket alone proves nothing, since it
/// takes connections even while the compositor hangs. Each step may take `timeout`.
pub(super) fn round_trip(path: &Path, timeout: Duration) -> io::Result<()> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&sync_request())?;
    let mut header = [0; 8];
    stream
        .read_exact(&mut header)
        .map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => io::Error::new(
                ErrorKind::TimedOut,
                "the compositor takes connections but does not answer",
            ),
            _ => error,
        })?;
    if answers_sync(header) {
        return Ok(());
    }
    Err(io::Error::new(
        ErrorKind::InvalidData,
        "the compositor refused the connection",
    ))
}

/// `wl_display.sync(callback)`: object, then size and opcode 0, then the new object; each a word
/// in the machine's byte order.
///
/// Source: Wayland protocol, "Wire Format".
fn sync_request() -> [u8; 12] {
    let mut request = [0; 12];
    request[..4].copy_from_slice(&DISPLAY_ID.to_ne_bytes());
    request[4..8].copy_from_slice(&(12_u32 << 16).to_ne_bytes());
    request[8..].copy_from_slice(&CALLBACK_ID.to_ne_bytes());
    request
}

/// The first event is `wl_callback.done`; the other that may come is `wl_display.error`.
fn answers_sync(header: [u8; 8]) -> bool {
    header[..4] == CALLBACK_ID.to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    fn path(variables: &[(&str, &str)]) -> Option<PathBuf> {
        socket_path(&variables.iter().copied().collect())
    }

    #[test]
    fn the_socket_is_found_as_a_wayland_program_finds_it() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = ("XDG_RUNTIME_DIR", directory.path().to_str().unwrap());
        assert_eq!(path(&[]), None);
        assert_eq!(path(&[runtime]), None);
        std::fs::write(directory.path().join("wayland-0"), "").unwrap();
        assert_eq!(path(&[runtime]), Some(directory.path().join("wayland-0")));
        assert_eq!(
            path(&[runtime, ("WAYLAND_DISPLAY", "w-7")]),
            Some(directory.path().join("w-7"))
        );
        assert_eq!(path(&[("WAYLAND_DISPLAY", "/a/b")]), Some("/a/b".into()));
        assert_eq!(path(&[("WAYLAND_DISPLAY", "w-7")]), None);
    }

    /// A compositor that reads one request and sends these bytes.
    fn answered_with(answer: &'static [u8]) -> io::Result<()> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let compositor = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 12];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            // Stays until the other side leaves.
            let _ = stream.read(&mut request);
        });
        let result = round_trip(&path, Duration::from_millis(50));
        compositor.join().unwrap();
        result
    }

    #[test]
    fn only_a_compositor_that_answers_counts() {
        assert!(
            answered_with(&[2, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0]).is_ok()
                == cfg!(target_endian = "little")
        );
        assert_eq!(answered_with(&[]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(
            answered_with(&[0; 12]).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }
}
