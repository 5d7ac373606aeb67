//! What passed a loopback interface, with the kernel's time stamps: the messages of STUN in it.
//!
//! Read from a packet socket: `tcpdump` gives up the rights that it has only in the lab's own namespaces.

use std::io::IoSliceMut;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use greenroom_lab::Host;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{ReceiveTimeout, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket,
};
use nix::sys::time::TimeVal;

/// How long a message is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the thread looks whether it is to end.
const LOOK_EVERY_US: i64 = 50_000;
/// What is kept of a packet: its headers, and the head of the message.
const KEPT_BYTES: usize = 200;
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

/// A capture that goes on.
pub(super) struct Capture {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Capture {
    /// Begins, on the interfaces of this machine.
    pub(super) fn begin(host: &Host) -> Result<Self> {
        let socket = host.run(open)??;
        let (seen, stop) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let (into, ends) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || follow(&socket, &into, &ends));
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    /// Waits until a message like this was seen.
    pub(super) fn wait_for(&self, is_it: impl Fn(&Seen) -> bool) -> Result<()> {
        let began = Instant::now();
        while !self.seen().iter().any(&is_it) {
            ensure!(
                began.elapsed() < PATIENCE,
                "what was waited for was not sent"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it, and gives the messages in the order of their times.
    pub(super) fn end(mut self) -> Result<Vec<Seen>> {
        // What came last may still wait to be read.
        std::thread::sleep(Duration::from_millis(200));
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            ended.map_err(|_panicked| anyhow!("the capture broke"))??;
        }
        let mut seen = self.seen();
        seen.sort_by_key(|message| message.at);
        Ok(seen)
    }

    fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn open() -> Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, LOOK_EVERY_US))?;
    Ok(socket)
}

/// Reads packets until it is to stop. What passes loopback is seen twice, as it leaves and as it
/// comes; who looks for the first of a kind has the former.
fn follow(socket: &OwnedFd, into: &Mutex<Vec<Seen>>, stop: &AtomicBool) -> Result<()> {
    let mut packet = [0; KEPT_BYTES];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    while !stop.load(Ordering::Relaxed) {
        let mut parts = [IoSliceMut::new(&mut packet)];
        let flags = MsgFlags::empty();
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let (at, length) = match received {
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(message) => (
                message.cmsgs()?.find_map(|part| stamp(&part)),
                message.bytes,
            ),
        };
        if let Some(seen) = at.and_then(|at| message(at, &packet[..length.min(KEPT_BYTES)])) {
            into.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(seen);
        }
    }
    Ok(())
}

fn stamp(control: &ControlMessageOwned) -> Option<Duration> {
    match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(*at)),
        _ => None,
    }
}

/// A message of STUN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Since 1970.
    pub(super) at: Duration,
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
    /// Method and class (RFC 8489 §5).
    pub(super) kind: u16,
}

/// A message that a packet begins with.
fn message(at: Duration, packet: &[u8]) -> Option<Seen> {
    let ip = packet.get(14..)?;
    let header = usize::from(ip.first()? & 0x0f) * 4;
    let address = |at: usize| Some(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?.into());
    let inner = ip.get(header..)?;
    let port = |at: usize| Some(u16::from_be_bytes(inner.get(at..at + 2)?.try_into().ok()?));
    let payload = match ip.get(9)? {
        6 => inner.get(usize::from(inner.get(12)? >> 4) * 4..)?,
        17 => inner.get(8..)?,
        _ => return None,
    };
    let is_stun = payload.get(4..8)? == MAGIC_COOKIE && payload[0] < 0x40;
    is_stun.then_some(Seen {
        at,
        from: SocketAddrV4::new(address(12)?, port(0)?),
        to: SocketAddrV4::new(address(16)?, port(2)?),
        kind: u16::from_be_bytes([payload[0], payload[1]]),
    })
}
