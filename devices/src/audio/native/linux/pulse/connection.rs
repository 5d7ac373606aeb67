//! A connection to a sound server that asks and waits for each answer, but not for long.
//!
//! The client that streams need has no time limit for its questions and a thread of its own.

use std::env;
use std::ffi::CString;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pulseaudio::Client;
use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, CommandReply, DESCRIPTOR_SIZE, MAX_VERSION, Prop, Props,
    ProtocolError, PulseError, SetClientNameReply,
};
use socket2::{Domain, SockAddr, Socket, Type};

/// How long an answer may take. A server answers within a millisecond; one that runs with low
/// priority on a busy machine, within some tens.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest answer that is read, in bytes. A list of some dozen devices has some ten thousand.
const MAX_ANSWER: u32 = 4 << 20;

/// Messages that are skipped before an answer: those of a server that tells something unasked.
const MAX_SKIPPED: usize = 16;

/// Bytes of a cookie. Source: `NATIVE_COOKIE_LENGTH` of the protocol.
const COOKIE_LENGTH: usize = 256;

/// Why a sound server did not answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// There is none.
    Absent,
    /// There is one, and it does not answer in time.
    Silent,
    /// It does not let us in.
    Refused,
    /// There is no such device.
    NoEntity,
    /// Another program holds the device.
    Busy,
    /// Anything else.
    Other(String),
}

/// A connection to the server of this session.
#[derive(Debug)]
pub(super) struct Connection {
    socket: BufReader<UnixStream>,
    version: u16,
    sequence: u32,
}

impl Connection {
    /// Connects where the environment says.
    pub(super) fn open() -> Result<Self, NoAnswer> {
        let socket = connect(&socket_path()?)?;
        let mut connection = Self {
            socket: BufReader::new(socket),
            version: MAX_VERSION,
            sequence: 0,
        };
        connection.introduce()?;
        Ok(connection)
    }

    fn introduce(&mut self) -> Result<(), NoAnswer> {
        let auth = AuthParams {
            version: MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: any_cookie(),
        };
        let reply: AuthReply = self.ask(&Command::Auth(auth))?;
        self.version = reply.version.min(MAX_VERSION);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"Greenroom");
        if let Ok(id) = CString::new(std::process::id().to_string()) {
            props.set(Prop::ApplicationProcessId, id);
        }
        let _named: SetClientNameReply = self.ask(&Command::SetClientName(props))?;
        Ok(())
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R, NoAnswer> {
        let sequence = self.sequence;
        self.sequence += 1;
        let mut question = Vec::new();
        protocol::write_command_message(&mut question, sequence, command, self.version)?;
        self.socket.get_mut().write_all(&question)?;
        for _ in 0..MAX_SKIPPED {
            let message = self.read_message()?;
            let mut message = Cursor::new(message);
            match protocol::read_reply_message(&mut message, self.version) {
                Ok((of, reply)) if of == sequence => return Ok(reply),
                // An answer to a question before, or an event that nobody asked for.
                Ok(_) | Err(ProtocolError::UnexpectedCommand(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(NoAnswer::Silent)
    }

    /// One message with its descriptor. It is read as a whole, since an answer of a newer server
    /// may be longer than what is parsed of it.
    fn read_message(&mut self) -> Result<Vec<u8>, NoAnswer> {
        let mut message = vec![0; DESCRIPTOR_SIZE];
        self.socket.read_exact(&mut message)?;
        let descriptor = protocol::read_descriptor(&mut Cursor::new(&message))?;
        if descriptor.length > MAX_ANSWER {
            return Err(NoAnswer::Other("its answer is too long".to_owned()));
        }
        let mut rest = (&mut self.socket).take(u64::from(descriptor.length));
        let read = rest.read_to_end(&mut message)?;
        if read < descriptor.length as usize {
            return Err(NoAnswer::Absent);
        }
        Ok(message)
    }
}

/// Where the environment says that a server listens, the first place where one does.
///
/// Not the crate's own search: it takes a folder that may not be read, or a place of several where
/// nothing is, for there being no server at all.
fn socket_path() -> Result<PathBuf, NoAnswer> {
    let named = env::var("PULSE_SERVER").ok();
    let named = named.and_then(|server| Some(PathBuf::from(server.strip_prefix("unix:")?)));
    let within = |variable: &str, path: &str| {
        let folder = env::var_os(variable).filter(|folder| !folder.is_empty());
        folder.map(|folder| PathBuf::from(folder).join(path))
    };
    let places = [
        named,
        within("PULSE_RUNTIME_PATH", "native"),
        within("PULSE_RUNTIME_PATH", "pulse/native"),
        within("XDG_RUNTIME_DIR", "pulse/native"),
    ];
    first_socket(places.into_iter().flatten())
}

/// The first path at which there is something; refused where that cannot be seen and nothing is
/// elsewhere.
fn first_socket(paths: impl Iterator<Item = PathBuf>) -> Result<PathBuf, NoAnswer> {
    let mut missing = NoAnswer::Absent;
    for path in paths {
        match path.metadata() {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                missing = NoAnswer::Refused;
            }
            Err(_) => {}
        }
    }
    Err(missing)
}

/// Connects without waiting: a server that hangs leaves its queue of connections full.
fn connect(path: &Path) -> Result<UnixStream, NoAnswer> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    let socket = UnixStream::from(OwnedFd::from(socket));
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(socket)
}

/// The client that makes a stream; its handshake is bounded by the socket's own time limits.
pub(super) fn new_client() -> Result<Client, NoAnswer> {
    let socket = connect(&socket_path()?)?;
    Ok(Client::new_unix(c"Greenroom", socket, Some(any_cookie()))?)
}

/// The cookie, or one that nobody knows where there is none: a server that asks for none still hangs
/// up on one of another length, and then seems not to be there.
fn any_cookie() -> Vec<u8> {
    cookie().unwrap_or_else(|| vec![0; COOKIE_LENGTH])
}

fn cookie() -> Option<Vec<u8>> {
    let path = pulseaudio::cookie_path_from_env()?;
    std::fs::read(path).ok()
}

impl NoAnswer {
    /// What the server says itself.
    pub(super) fn from_server(error: PulseError) -> Self {
        match error {
            PulseError::AccessDenied | PulseError::AuthKey => Self::Refused,
            PulseError::NoEntity | PulseError::Killed => Self::NoEntity,
            PulseError::Busy => Self::Busy,
            other => Self::Other(format!("the sound server says {other:?}")),
        }
    }
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            io::ErrorKind::PermissionDenied => Self::Refused,
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Absent,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<ProtocolError> for NoAnswer {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Io(error) => error.into(),
            ProtocolError::Timeout => Self::Silent,
            ProtocolError::ServerError(error) => Self::from_server(error),
            other => Self::Other(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_with_a_server_counts() {
        let folder = tempfile::tempdir().unwrap();
        let [missing, there] = ["a", "b"].map(|name| folder.path().join(name));
        std::fs::write(&there, "").unwrap();
        let found = first_socket([missing.clone(), there.clone()].into_iter());
        assert_eq!(found.ok(), Some(there));
        let none = first_socket([missing].into_iter());
        assert!(matches!(none, Err(NoAnswer::Absent)), "{none:?}");
    }
}
