//! The thread between two TUN devices.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sched::{CloneFlags, setns};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::clock::monotonic_now;
use crate::link::{Direction, Duplex};

/// The relay stops sleeping this long before a packet is due and polls instead: the kernel wakes a thread some tens of
/// microseconds late, and later when the CPU had gone idle. Longer costs CPU time, shorter costs accuracy.
const SPIN: Duration = Duration::from_micros(120);

/// Most packets read from one device before the other device and the timers get their turn.
const BATCH: usize = 32;

/// Longest IP packet.
const MAX_PACKET_BYTES: usize = 65_535;

/// The two TUN devices of a link.
pub(crate) struct Tunnel {
    /// Carries what the client's side sends.
    pub(crate) near: SyncDevice,
    /// Carries what the server's side sends.
    pub(crate) far: SyncDevice,
}

impl Tunnel {
    /// Makes a TUN device called `name` in each of two network namespaces.
    pub(crate) fn open(near: &File, far: &File, name: &str) -> io::Result<Self> {
        Ok(Self {
            near: open_tun(near, name)?,
            far: open_tun(far, name)?,
        })
    }

    fn source(&self, direction: Direction) -> &SyncDevice {
        match direction {
            Direction::Up => &self.near,
            Direction::Down => &self.far,
        }
    }
}

fn open_tun(namespace: &File, name: &str) -> io::Result<SyncDevice> {
    // A thread of its own, since setns changes the thread that calls it.
    let build = || -> io::Result<SyncDevice> {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        let device = DeviceBuilder::new()
            .name(name)
            .layer(Layer::L3)
            .offload(false)
            .enable(false)
            .build_sync()?;
        device.set_nonblocking(true)?;
        Ok(device)
    };
    std::thread::scope(|scope| scope.spawn(build).join()).unwrap_or_else(|_| {
        Err(io::Error::other(
            "the thread that makes the TUN device panicked",
        ))
    })
}

/// What the relay thread and its handle share.
pub(super) struct Shared {
    pub(super) duplex: Mutex<Duplex>,
    pub(super) is_stopping: AtomicBool,
    /// Wakes the relay thread when the handle changed something.
    pub(super) wake: EventFd,
}

impl Shared {
    /// Locks the link. A panic of another holder cannot leave it half changed, so poison is ignored.
    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Duplex> {
        self.duplex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Relays packets until told to stop.
pub(super) fn relay(tunnel: &Tunnel, shared: &Arc<Shared>) -> io::Result<()> {
    nix::sys::prctl::set_timerslack(1)?;
    let mut buffer = vec![0; MAX_PACKET_BYTES];
    while !shared.is_stopping.load(Ordering::Acquire) {
        let next_at = turn(tunnel, &mut shared.lock(), &mut buffer)?;
        wait(tunnel, shared, next_at)?;
    }
    Ok(())
}

/// Moves everything that can move now; gives when the next packet is due.
fn turn(tunnel: &Tunnel, duplex: &mut Duplex, buffer: &mut [u8]) -> io::Result<Option<Duration>> {
    deliver(tunnel, duplex)?;
    for direction in Direction::BOTH {
        receive(tunnel.source(direction), direction, duplex, buffer)?;
    }
    deliver(tunnel, duplex)?;
    Ok(duplex.next_at())
}

fn receive(
    device: &SyncDevice,
    direction: Direction,
    duplex: &mut Duplex,
    buffer: &mut [u8],
) -> io::Result<()> {
    for _ in 0..BATCH {
        match device.recv(buffer) {
            Ok(n) => {
                duplex.send(direction, monotonic_now()?, buffer[..n].to_vec());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // The interface is down, which a test may do on purpose.
            Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn deliver(tunnel: &Tunnel, duplex: &mut Duplex) -> io::Result<()> {
    while let Some(delivery) = duplex.poll(monotonic_now()?) {
        // The kernel refuses packets while the interface is down and malformed ones; both are lost, as on a wire.
        let _ = tunnel
            .source(delivery.direction.reverse())
            .send(&delivery.packet);
    }
    Ok(())
}

/// Sleeps until a device is readable, the handle calls, or shortly before `next_at`.
fn wait(tunnel: &Tunnel, shared: &Shared, next_at: Option<Duration>) -> io::Result<()> {
    let timeout = match next_at {
        None => None,
        Some(at) => match at.checked_sub(monotonic_now()? + SPIN) {
            Some(timeout) => Some(TimeSpec::from(timeout)),
            None => return Ok(()),
        },
    };
    let mut fds = [tunnel.near.as_fd(), tunnel.far.as_fd(), shared.wake.as_fd()]
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    match ppoll(&mut fds, timeout, None) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    if fds[2].any().unwrap_or_default() {
        shared.wake.read()?;
    }
    Ok(())
}
