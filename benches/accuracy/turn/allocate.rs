//! How long it takes until a server has given an address that relays: beside `turnutils_uclient`.
//!
//! Both ask the same coturn over loopback, in turns, and one packet capture tells both times: from the first Allocate
//! request that a run sends to the success response to its Allocate. The refusal that asks for credentials, and what
//! the client needs to answer it, lie between; opening a TCP connection does not.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use greenroom_lab::{Lab, Process};

use super::capture::{Capture, Seen};
use super::coturn::{self, PASSWORD, PORT, USER};
use crate::figures::{median, quantile};
use crate::row::Row;
use crate::scene::GREENROOM;

/// Runs of each.
const RUNS: usize = 50;
/// Share of the other client's time that is asked for.
const MOST: f64 = 1.0;
/// Whence the other client asks, so that the capture tells who is who.
const THEIR_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Longer than a run of ours may take.
const END_TIMEOUT: Duration = Duration::from_secs(10);

const ALLOCATE: u16 = 0x0003;
const ALLOCATED: u16 = 0x0103;

pub(super) fn measure() -> Result<Vec<Row>> {
    let transports = [("UDP", "udp", &[][..]), ("TCP", "tcp", &["-t"][..])];
    let rows = transports.map(|(name, transport, flags)| beside(name, transport, flags));
    rows.into_iter().collect()
}

fn beside(name: &str, transport: &str, flags: &[&str]) -> Result<Row> {
    // A network without anybody else on it.
    let lab = Lab::new()?;
    lab.server().ip("link set lo up")?;
    let files = tempfile::tempdir()?;
    let server = coturn::start(lab.server(), Ipv4Addr::LOCALHOST.into(), files.path(), None)?;
    let capture = Capture::begin(lab.server())?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..RUNS {
        // Who goes first changes.
        for is_ours in [round % 2 == 0, round % 2 == 1] {
            if is_ours {
                ours.push(now()?);
                run_ours(&lab, transport)?;
            } else {
                theirs.push(now()?);
                run_theirs(&lab, &capture, flags)?;
            }
        }
    }
    let seen = capture.end()?;
    drop(server);
    let ours = times(&seen, &ours, |from| !is_theirs(from))?;
    let theirs = times(&seen, &theirs, is_theirs)?;
    row(name, &ours, &theirs)
}

fn is_theirs(address: SocketAddrV4) -> bool {
    *address.ip() == THEIR_ADDRESS
}

fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}

fn run_ours(lab: &Lab, transport: &str) -> Result<()> {
    let mut command = lab.server().command(GREENROOM);
    command
        .args([
            "turn",
            &format!("turn:127.0.0.1:{PORT}?transport={transport}"),
        ])
        .env("GREENROOM_TURN_USER", USER)
        .env("GREENROOM_TURN_PASSWORD", PASSWORD);
    silence(&mut command);
    let mut process = Process::start(&mut command)?;
    let status = process.wait_timeout(END_TIMEOUT)?;
    let status = status.context("greenroom turn does not end")?;
    anyhow::ensure!(status.success(), "greenroom turn: {status}");
    Ok(())
}

/// It goes on for seconds, so it is ended when its allocation is there.
fn run_theirs(lab: &Lab, capture: &Capture, flags: &[&str]) -> Result<()> {
    let mut command = lab.server().command("turnutils_uclient");
    command
        .args([
            "-u",
            USER,
            "-w",
            PASSWORD,
            "-c",
            "-n",
            "1",
            "-e",
            "127.0.0.1",
        ])
        .args(["-L", &THEIR_ADDRESS.to_string(), "-p", &PORT.to_string()])
        .args(flags)
        .arg("127.0.0.1");
    // It writes certificates' and other files nowhere, but looks for them in the working directory.
    command.current_dir(Path::new("/"));
    silence(&mut command);
    let began = now()?;
    let process = Process::start(&mut command).context("cannot start turnutils_uclient")?;
    let is_allocated = |m: &Seen| m.at >= began && m.kind == ALLOCATED && is_theirs(m.to);
    let ended = capture.wait_for(is_allocated);
    drop(process);
    ended.context("turnutils_uclient was given no address")
}

fn silence(command: &mut Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
}

/// In milliseconds, of the first flow of each run, by when the runs began.
fn times(
    seen: &[Seen],
    began: &[Duration],
    is_client: impl Fn(SocketAddrV4) -> bool,
) -> Result<Vec<f64>> {
    began
        .iter()
        .map(|began| {
            let asked = |m: &&Seen| m.at >= *began && m.kind == ALLOCATE && is_client(m.from);
            let first = seen.iter().find(asked).context("a run asked for nothing")?;
            let answered = |m: &&Seen| {
                m.at >= first.at && m.kind == ALLOCATED && (m.from, m.to) == (first.to, first.from)
            };
            let last = seen.iter().find(answered);
            let last = last.context("a run was given no address")?;
            Ok((last.at - first.at).as_secs_f64() * 1e3)
        })
        .collect()
}

fn row(name: &str, ours: &[f64], theirs: &[f64]) -> Result<Row> {
    let (a, b) = (median(ours)?, median(theirs)?);
    let share = a / b;
    Ok(Row::judged(
        format!(
            "from the first Allocate request to its success response, coturn over {name}, beside \
             `turnutils_uclient`, median of {RUNS} each"
        ),
        format!("≤ {MOST:.1} ×"),
        format!(
            "{share:.2} × ({a:.3} and {b:.3} ms; p10 {:.3} and {:.3} ms)",
            quantile(ours, 100)?,
            quantile(theirs, 100)?
        ),
        share <= MOST,
    ))
}
