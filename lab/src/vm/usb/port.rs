//! The port a device is plugged into.

#![expect(
    clippy::disallowed_methods,
    reason = "driver: answers transfers in real time"
)]

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::descriptors::{Descriptors, Speed};
use super::wire::{self, Answer, Request, Setup, Transfer};

/// The kernel's virtual host controller.
const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";

/// In its list of ports: free.
const FREE: &str = "004";

/// Longest wait for the kernel, after which only the time is looked at again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Standard requests; source: USB 2.0, table 9-4.
const GET_STATUS: u8 = 0;
const CLEAR_FEATURE: u8 = 1;
const SET_FEATURE: u8 = 3;
const GET_DESCRIPTOR: u8 = 6;
const SET_CONFIGURATION: u8 = 9;
const GET_INTERFACE: u8 = 10;
const SET_INTERFACE: u8 = 11;

/// What a device does of its own.
pub(super) trait Device {
    /// What it tells of itself.
    fn descriptors(&self) -> &Descriptors;

    /// Answers a request of its class.
    fn control(&mut self, setup: Setup, data: &[u8]) -> Answer;

    /// When the next transfer of its data can be answered; `None` if not before something changes.
    fn due_at(&self) -> Option<Instant>;

    /// Answers a transfer of its data.
    fn transfer(&mut self, now: Instant, transfer: &Transfer) -> Answer;
}

/// Plugs a device in and plays it until the kernel lets go of it.
pub(super) fn play(device: &mut impl Device, speed: Speed) -> Result<(), String> {
    let (mut ours, theirs) =
        UnixStream::pair().map_err(|error| format!("cannot make a pair of sockets: {error}"))?;
    attach(&theirs, speed)?;
    drop(theirs);
    let _ = writeln!(io::stdout(), "attached");
    let mut pending = VecDeque::new();
    serve(&mut ours, device, &mut pending).map_err(|error| format!("the bus failed: {error}"))
}

fn attach(socket: &UnixStream, speed: Speed) -> Result<(), String> {
    let list = fs::read_to_string(format!("{CONTROLLER}/status"))
        .map_err(|error| format!("there is no virtual host controller: {error}"))?;
    // Fields: hub, port, status, and more. Ports of the fast hub take slower devices too.
    let free = list.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["hs", port, FREE, ..] => port.parse::<u32>().ok(),
            _ => None,
        }
    });
    let port = free.ok_or("all ports are taken")?;
    // The numbers of `enum usb_device_speed`.
    let speed = match speed {
        Speed::Full => 2,
        Speed::High => 3,
    };
    let device = 0x1_0000 + port + 1;
    let line = format!("{port} {} {device} {speed}", socket.as_raw_fd());
    fs::write(format!("{CONTROLLER}/attach"), line)
        .map_err(|error| format!("cannot plug the device in: {error}"))
}

fn serve(
    bus: &mut UnixStream,
    device: &mut impl Device,
    pending: &mut VecDeque<Transfer>,
) -> io::Result<()> {
    loop {
        let due = device.due_at().filter(|_| !pending.is_empty());
        if is_readable(bus, due)? {
            match wire::read(bus)? {
                None => return Ok(()),
                Some(request) => take(bus, device, pending, request)?,
            }
        }
        while let Some(due) = device.due_at() {
            let now = Instant::now();
            if due > now {
                break;
            }
            let Some(transfer) = pending.pop_front() else {
                break;
            };
            let answer = device.transfer(now, &transfer);
            wire::answer(bus, &transfer, &answer)?;
        }
    }
}

fn is_readable(bus: &UnixStream, due: Option<Instant>) -> io::Result<bool> {
    let left = due.map(|due| due.saturating_duration_since(Instant::now()));
    let wait = left.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    // Rounded up, so that the wait is not cut into many of no length.
    let milliseconds = wait.as_micros().div_ceil(1000);
    let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
    let mut polled = [PollFd::new(bus.as_fd(), PollFlags::POLLIN)];
    match poll(&mut polled, timeout) {
        Ok(n_ready) => Ok(n_ready > 0),
        Err(nix::errno::Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn take(
    bus: &mut UnixStream,
    device: &mut impl Device,
    pending: &mut VecDeque<Transfer>,
    request: Request,
) -> io::Result<()> {
    match request {
        Request::Submit(transfer) if transfer.endpoint == 0 => {
            let answer = control(device, &transfer);
            wire::answer(bus, &transfer, &answer)
        }
        Request::Submit(transfer) => {
            pending.push_back(transfer);
            Ok(())
        }
        Request::Unlink { number, transfer } => {
            let before = pending.len();
            pending.retain(|one| one.number != transfer);
            wire::answer_unlink(bus, number, pending.len() < before)
        }
    }
}

fn control(device: &mut impl Device, transfer: &Transfer) -> Answer {
    let setup = transfer.setup;
    let is_standard = setup.request_type & 0x60 == 0;
    match setup.request {
        _ if !is_standard => device.control(setup, &transfer.data),
        GET_DESCRIPTOR => match device.descriptors().get(setup.value, setup.length) {
            Some(descriptor) => Answer::Data(descriptor),
            None => Answer::Stalled,
        },
        GET_STATUS => Answer::Data(vec![0; 2]),
        GET_INTERFACE => Answer::Data(vec![0]),
        SET_CONFIGURATION | SET_INTERFACE | CLEAR_FEATURE | SET_FEATURE => Answer::Taken,
        _ => Answer::Stalled,
    }
}
