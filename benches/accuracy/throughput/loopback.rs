//! How much one machine sends and receives beside iperf3, both pinned to the same core.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use greenroom::Report;
use greenroom_lab::Process;
use serde_json::Value;

use crate::figures::median;
use crate::row::Row;
use crate::scene::GREENROOM;

const RUNS: usize = 5;
/// What is sent is tried at these multiples of what iperf3 got across, and the best counts that
/// loses no more than 1 %.
const STEPS: [f64; 5] = [1.0, 1.25, 1.6, 2.0, 2.5];
/// Loss that is allowed.
const MOST_LOSS: f64 = 0.01;
/// Bytes that a check has to be allowed for each bit a second that it is to try upwards, at most: see
/// `docs/protocol.md`, the cap.
const BYTES_FOR_12_MBPS: f64 = 8e6;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let port = free_port()?;
    let _server = serve(port)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (sent, got) = iperf3()?;
        theirs.push(got);
        ours.push(best(port, sent.max(got))?);
    }
    let (our, their) = (median(&ours)?, median(&theirs)?);
    let ratio = our / their;
    Ok(vec![Row::judged(
        format!(
            "loopback, both ends on one core each, 1,200-byte packets: bits received at ≤ 1 % loss, median of {RUNS}, beside `iperf3 -u -b 0 -l 1200`"
        ),
        "≥ 1.0 × iperf3's",
        format!(
            "{ratio:.2} × ({:.2} beside {:.2} Gbit/s)",
            our / 1e9,
            their / 1e9
        ),
        ratio >= 1.0,
    )])
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn pinned(core: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn serve(port: u16) -> Result<Process> {
    let mut command = pinned("1", GREENROOM);
    let listen = format!("127.0.0.1:{port}");
    let most = "40000000000";
    command
        .args(["serve", "--listen", &listen, "--max-load-bps", most])
        .args(["--max-egress-bps", most, "--max-load-bytes", most])
        .stdout(Stdio::null());
    let server = Process::start(&mut command).context("cannot start the server")?;
    std::thread::sleep(Duration::from_millis(800));
    Ok(server)
}

/// Bits a second that iperf3 sent and got across.
fn iperf3() -> Result<(f64, f64)> {
    let port = free_port()?.to_string();
    let mut command = pinned("1", "iperf3");
    command
        .args(["-s", "-1", "-p", &port])
        .stdout(Stdio::null());
    let _server = Process::start(&mut command).context("cannot start iperf3")?;
    std::thread::sleep(Duration::from_millis(400));
    let output = pinned("0", "iperf3")
        .args([
            "-c",
            "127.0.0.1",
            "-p",
            &port,
            "-u",
            "-b",
            "0",
            "-l",
            "1200",
            "-t",
            "2",
            "-J",
        ])
        .output()?;
    let result: Value = serde_json::from_slice(&output.stdout)?;
    let figure = |path: &str| {
        let figure = result.pointer(path).and_then(Value::as_f64);
        figure.with_context(|| format!("iperf3's result has no {path}"))
    };
    let sent =
        figure("/end/sum_sent/bits_per_second").or_else(|_| figure("/end/sum/bits_per_second"))?;
    let lost = figure("/end/sum/lost_percent")? / 100.0;
    Ok((sent, sent * (1.0 - lost)))
}

/// The most that came across with little enough loss, as UDP payload a second.
fn best(port: u16, reference: f64) -> Result<f64> {
    let mut best = 0.0_f64;
    for step in STEPS {
        let (got, loss) = ours(port, reference * step)?;
        if loss <= MOST_LOSS {
            best = best.max(got);
        }
    }
    Ok(best)
}

/// Payload a second that came across upwards, and the share that was lost, with this cap.
fn ours(port: u16, cap_bps: f64) -> Result<(f64, f64)> {
    let data = format!("{:.0}", BYTES_FOR_12_MBPS * cap_bps / 12e6);
    let url = format!("http://127.0.0.1:{port}");
    let output = pinned("0", GREENROOM)
        .args([
            "check",
            "--quiet",
            "--only",
            "throughput",
            "--server",
            &url,
            "--data",
            &data,
        ])
        .args(["--json", "-"])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let report: Report = greenroom::schema::read_report(&text)?;
    let throughput = report.throughput.data().context("nothing was measured")?;
    let up = throughput
        .uplink
        .as_ref()
        .context("no uplink was measured")?;
    let bps = up.capacity_bps.context("no rate was found")?.as_bps() as f64;
    ensure!(up.packets_sent > 0, "nothing was sent");
    let loss = 1.0 - up.packets_received as f64 / up.packets_sent as f64;
    Ok((bps * 1200.0 / 1228.0, loss))
}
