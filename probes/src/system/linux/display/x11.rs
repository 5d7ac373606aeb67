//! An X11 server, asked for one pixel of the screen.

#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectError, ReplyError};
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, Window};
use x11rb::reexports::x11rb_protocol::parse_display::{ConnectAddress, parse_display};
use x11rb::reexports::x11rb_protocol::xauth::get_auth;
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection, Stream};
use x11rb::utils::RawFdContainer;

/// Connects to the display with this name, with the user's authorization, and reads one pixel of
/// its root window: `Ok(Err(reason))` when the server answers but does not show its screen.
///
/// The reasons name neither host nor path.
///
/// # Errors
///
/// Why there is no connection.
pub(super) fn connect_and_read(name: &str, until: Instant) -> Result<Result<(), String>, String> {
    Ok(connect(name, until)?.and_then(|(connection, screen)| read_pixel(&connection, screen)))
}

/// The library's own words would repeat the name, which may hold a host's.
const NO_DISPLAY: &str = "DISPLAY is no name of a display";

type BoundedConnection = RustConnection<BoundedStream>;

/// `Ok(Err(reason))` when a server is there but turns us away.
fn connect(
    name: &str,
    until: Instant,
) -> Result<Result<(BoundedConnection, usize), String>, String> {
    let display = parse_display(Some(name)).map_err(|_named| NO_DISPLAY.to_owned())?;
    let screen = usize::from(display.screen);
    // The local socket is tried first, and of a display here it is what counts.
    let mut first = None;
    for address in display.connect_instruction() {
        match open(&address, until) {
            Err(error) => {
                first.get_or_insert_with(|| error.to_string());
            }
            Ok((stream, (family, address))) => {
                // Without a fitting entry we ask without one, as every program does.
                let auth = get_auth(family, &address, display.display).ok().flatten();
                let (auth_name, auth_data) = auth.unwrap_or_default();
                let stream = BoundedStream {
                    inner: stream,
                    until,
                };
                let connected = RustConnection::connect_to_stream_with_auth_info(
                    stream, screen, auth_name, auth_data,
                );
                return match connected {
                    Ok(connection) => Ok(Ok((connection, screen))),
                    Err(error) => turned_away(&error).map(Err),
                };
            }
        }
    }
    Err(first.unwrap_or_else(|| NO_DISPLAY.to_owned()))
}

type Opened = (
    DefaultStream,
    (x11rb::reexports::x11rb_protocol::xauth::Family, Vec<u8>),
);

/// Opens the socket; over TCP within the time.
fn open(address: &ConnectAddress<'_>, until: Instant) -> io::Result<Opened> {
    let ConnectAddress::Hostname(host, port) = address else {
        return DefaultStream::connect(address);
    };
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in (*host, *port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, remaining(until)?) {
            Ok(stream) => return DefaultStream::from_tcp_stream(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What the server said to its refusal, on one line; `Err` when none was heard.
fn turned_away(error: &ConnectError) -> Result<String, String> {
    let said = match error {
        ConnectError::SetupFailed(failed) => &failed.reason,
        ConnectError::SetupAuthenticate(more) => &more.reason,
        ConnectError::IoError(error) => return Err(error.to_string()),
        other => return Err(other.to_string()),
    };
    let said = String::from_utf8_lossy(said);
    let said = said.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    Ok(format!("the server refused the connection: {said}"))
}

fn read_pixel(connection: &BoundedConnection, screen: usize) -> Result<(), String> {
    let root = connection
        .setup()
        .roots
        .get(screen)
        .ok_or_else(|| "the X11 server has no such screen".to_owned())?
        .root;
    if is_xwayland(connection, root) {
        return Err("the X11 server is Xwayland, which sees no other programs' windows".to_owned());
    }
    let pixel = || -> Result<_, ReplyError> {
        connection
            .get_image(ImageFormat::Z_PIXMAP, root, 0, 0, 1, 1, !0)?
            .reply()
    };
    pixel()
        .map(|_pixel| ())
        .map_err(|error| format!("cannot read the X11 root window: {error}"))
}

/// The X11 server of a Wayland desktop, which knows only its own windows and shows black for the
/// rest. Since 23.1 it has an extension that says so; before, its outputs are called `XWAYLAND0`.
fn is_xwayland(connection: &BoundedConnection, root: Window) -> bool {
    let has = |extension| matches!(connection.extension_information(extension), Ok(Some(_)));
    has("XWAYLAND")
        || has("RANDR")
            && output_name(connection, root).is_ok_and(|name| name.starts_with(b"XWAYLAND"))
}

fn output_name(connection: &BoundedConnection, root: Window) -> Result<Vec<u8>, ReplyError> {
    let resources = connection
        .randr_get_screen_resources_current(root)?
        .reply()?;
    match resources.outputs.first() {
        None => Ok(Vec::new()),
        Some(output) => Ok(connection.randr_get_output_info(*output, 0)?.reply()?.name),
    }
}

fn remaining(until: Instant) -> io::Result<std::time::Duration> {
    until
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| io::Error::new(ErrorKind::TimedOut, "the server does not answer"))
}

/// A stream that fails, instead of waiting, once the time is up: a server that hangs takes
/// connections and says nothing.
struct BoundedStream {
    inner: DefaultStream,
    until: Instant,
}

impl Stream for BoundedStream {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, mode.readable());
        flags.set(PollFlags::POLLOUT, mode.writable());
        loop {
            // A millisecond more, since poll rounds down and would spin at the end.
            let left = remaining(self.until)?.as_millis().saturating_add(1);
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.inner.as_fd(), flags)], left) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self, buffer: &mut [u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.inner.read(buffer, fds)
    }

    fn write(&self, buffer: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.inner.write(buffer, fds)
    }

    fn write_vectored(
        &self,
        buffers: &[io::IoSlice<'_>],
        fds: &mut Vec<RawFdContainer>,
    ) -> io::Result<usize> {
        self.inner.write_vectored(buffers, fds)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(60)
    }

    /// The name of the display behind a listener, which X11 counts from port 6000.
    fn display_of(listener: &TcpListener) -> Option<String> {
        let number = listener.local_addr().unwrap().port().checked_sub(6000)?;
        Some(format!("127.0.0.1:{number}"))
    }

    #[test]
    fn a_server_that_hangs_costs_the_time_limit_and_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let Some(name) = display_of(&listener) else {
            return; // A port below X11's, on a machine with an unusual range.
        };
        let started = Instant::now();
        assert_eq!(
            connect_and_read(&name, soon()),
            Err("the server does not answer".to_owned())
        );
        assert!(started.elapsed() < Duration::from_millis(500));
    }

    #[test]
    fn a_display_that_is_not_there_and_a_name_that_is_none_are_told_apart() {
        let missing = connect_and_read(":4711", soon()).unwrap_err();
        assert!(missing.contains("No such file"), "{missing}");
        assert!(
            connect_and_read("nonsense", soon())
                .unwrap_err()
                .starts_with("DISPLAY is no name")
        );
    }
}
