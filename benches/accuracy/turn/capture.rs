//! What tcpdump saw on a loopback interface: the messages of STUN in it.

use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use greenroom_lab::{Host, Process};

/// How long tcpdump may take to begin, and to write what it saw.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of a capture file with nanoseconds, written on a machine of this byte order.
const MAGIC: u32 = 0xa1b2_3c4d;
/// The link layer: Ethernet, which loopback interfaces pretend to be.
const ETHERNET: u32 = 1;
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

/// A capture that goes on.
pub(super) struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    /// Begins, on the loopback interface of this machine.
    pub(super) fn begin(host: &Host, file: &Path) -> Result<Self> {
        let mut command = host.command("tcpdump");
        command
            .args([
                "-i",
                "lo",
                "-U",
                "--immediate-mode",
                "-B",
                "16384",
                "-s",
                "300",
            ])
            .args(["--time-stamp-precision=nano", "-Z", "root", "-w"])
            .arg(file)
            .args(["ip and (udp or tcp)"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process::start(&mut command).context("cannot start tcpdump")?;
        let began = Instant::now();
        // It writes the file's head when it listens.
        while fs::metadata(file).map_or(0, |about| about.len()) < 24 {
            ensure!(began.elapsed() < PATIENCE, "tcpdump does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            process,
            file: file.to_owned(),
        })
    }

    /// Ends it, and gives the STUN messages in the order of their times.
    pub(super) fn end(mut self) -> Result<Vec<Seen>> {
        // What came last may still be on its way to the file.
        std::thread::sleep(Duration::from_millis(200));
        let mut interrupt = std::process::Command::new("kill");
        interrupt.args(["-INT", &self.process.child().id().to_string()]);
        ensure!(interrupt.status()?.success(), "tcpdump ended early");
        let ended = self.process.wait_timeout(PATIENCE)?;
        ensure!(ended.is_some(), "tcpdump does not end");
        read(&fs::read(&self.file)?)
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

fn read(file: &[u8]) -> Result<Vec<Seen>> {
    let word = |bytes: &[u8], at: usize| -> Result<u32> {
        let part = bytes.get(at..at + 4).context("the capture is cut off")?;
        Ok(u32::from_ne_bytes(part.try_into()?))
    };
    ensure!(word(file, 0)? == MAGIC, "no capture with nanoseconds");
    ensure!(word(file, 20)? == ETHERNET, "no capture of Ethernet");
    let (mut seen, mut at) = (Vec::new(), 24);
    while at < file.len() {
        let since = Duration::new(u64::from(word(file, at)?), word(file, at + 4)?);
        let length = usize::try_from(word(file, at + 8)?)?;
        let Some(packet) = file.get(at + 16..at + 16 + length) else {
            bail!("the capture is cut off");
        };
        seen.extend(message(since, packet));
        at += 16 + length;
    }
    seen.sort_by_key(|message| message.at);
    Ok(seen)
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
