//! The relay beside coturn, each on one core in its turn: runs `server/examples/relay_load.rs`.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use greenroom_lab::{Lab, Process};
use tempfile::TempDir;

use crate::row::Row;
use crate::scene::GREENROOM;

/// Both servers in turn, so often: what else the machine does meanwhile falls on both.
const ROUNDS: usize = 3;
const ALLOCATIONS: &str = "20";
/// An audio packet of Opus, and a video packet.
const PAYLOADS: [(&str, &str); 2] = [("160", "an audio packet"), ("1000", "a video packet")];
/// What is asked for, and what is hoped for, as a share of coturn's rate.
const LEAST: f64 = 0.7;
const PORT: u16 = 3478;
const SECRET: &str = "a secret of this benchmark alone";
/// How long a server may take to start.
const START: Duration = Duration::from_secs(5);

pub(crate) fn measure() -> Result<Vec<Row>> {
    let folder = Path::new(GREENROOM).parent().context("no folder")?;
    let load = folder.join("examples/relay_load");
    ensure!(
        load.exists(),
        "the example relay_load is not built; script/bench builds it"
    );
    // A network without anybody else on it.
    let lab = Lab::new()?;
    lab.server().ip("link set lo up")?;
    let scene = Scene {
        files: tempfile::tempdir()?,
        lab,
        load,
    };
    let mut rows = Vec::new();
    for (bytes, what) in PAYLOADS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(scene.rates(scene.greenroom(), bytes)?);
            theirs.push(scene.rates(scene.coturn(), bytes)?);
        }
        rows.extend(DIRECTIONS.map(|(direction, way)| {
            row(
                &format!("relay on one core beside coturn, {bytes} bytes ({what}), {way}"),
                &best(&ours, direction),
                &best(&theirs, direction),
            )
        }));
    }
    Ok(rows)
}

/// Names of the directions in the load's output, and for people.
const DIRECTIONS: [(usize, &str); 2] = [(0, "clients to peers"), (1, "peers to clients")];

/// What one run carried in one direction.
#[derive(Clone, Copy, Debug)]
struct Carried {
    /// Packets a second with less than 1 % lost.
    rate: f64,
    /// Packets for a second of the server's processor time, over all rates tried.
    per_cpu_second: f64,
}

fn row(what: &str, ours: &Carried, theirs: &Carried) -> Row {
    let share = ours.rate / theirs.rate;
    Row::judged(
        what,
        format!("≥ {LEAST} × coturn"),
        format!(
            "{share:.2} × ({:.0} and {:.0} packets/s; for a second of processor time {:.0} and {:.0})",
            ours.rate, theirs.rate, ours.per_cpu_second, theirs.per_cpu_second
        ),
        share >= LEAST,
    )
}

/// The best rate of the rounds, since what else the machine does only lowers it; the median of what a
/// second of processor time carries.
fn best(rounds: &[[Carried; 2]], direction: usize) -> Carried {
    let of = |value: fn(&Carried) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(|r| value(&r[direction])).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let per_cpu = of(|carried| carried.per_cpu_second);
    Carried {
        rate: of(|carried| carried.rate).pop().unwrap_or(f64::NAN),
        per_cpu_second: per_cpu.get(per_cpu.len() / 2).copied().unwrap_or(f64::NAN),
    }
}

struct Scene {
    files: TempDir,
    lab: Lab,
    load: PathBuf,
}

impl Scene {
    fn on_first_core(&self, program: &str) -> Command {
        let mut command = self.lab.server().command("taskset");
        command.args(["--cpu-list", "0", program]);
        command
    }

    fn greenroom(&self) -> Command {
        let mut command = self.on_first_core(GREENROOM);
        command
            .args(["serve", "--listen", "127.0.0.1:8443"])
            .args(["--turn-port", &PORT.to_string()])
            .args(["--turn-allow-peer", "127.0.0.0/8"])
            .args(["--max-allocation-bps", "100000000000"])
            .env("GREENROOM_TURN_SECRET", SECRET);
        command
    }

    fn coturn(&self) -> Command {
        let mut command = self.on_first_core("turnserver");
        let file = |name: &str| self.files.path().join(name).display().to_string();
        command
            .args(["-n", "-L", "127.0.0.1", "-X", "127.0.0.1"])
            .args(["--relay-ip=127.0.0.1", "-p", &PORT.to_string(), "-m", "1"])
            .args([
                "--use-auth-secret",
                "--realm=bench",
                "--allow-loopback-peers",
            ])
            .args(["--no-cli", "--no-tls", "--no-dtls", "--log-file=/dev/null"])
            .arg(format!("--static-auth-secret={SECRET}"))
            .arg(format!("--userdb={}", file("users")))
            .arg(format!("--pidfile={}", file("pid")));
        command
    }

    /// Runs the load against a server.
    fn rates(&self, mut server: Command, bytes: &str) -> Result<[Carried; 2]> {
        server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = Process::start(&mut server)?;
        self.wait_for_port()?;
        // `taskset` becomes the server: its process id stays.
        let pid = server.child().id().to_string();
        let output = self
            .lab
            .server()
            .command(&self.load)
            .args([
                &format!("127.0.0.1:{PORT}"),
                SECRET,
                &pid,
                bytes,
                ALLOCATIONS,
            ])
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "{}: {text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let lines: Vec<&str> = text.lines().collect();
        let [up, down] = lines[..] else {
            anyhow::bail!("relay_load prints {text}");
        };
        Ok([carried(up)?, carried(down)?])
    }

    fn wait_for_port(&self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < START {
            let connect = || TcpStream::connect(("127.0.0.1", PORT)).is_ok();
            if self.lab.server().run(connect)? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("nobody listens at port {PORT}")
    }
}

fn carried(line: &str) -> Result<Carried> {
    let figure = |name: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != name);
        let number = words.nth(1).and_then(|number| number.parse().ok());
        number.with_context(|| format!("relay_load prints no {name}: {line}"))
    };
    Ok(Carried {
        rate: figure("carried")?,
        per_cpu_second: figure("per_cpu_second")?,
    })
}
