//! Sessions: joins beside LiveKit's own SDK, many users, many sessions, privileged actions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use greenroom_lab::{Lab, Process};
use serde_json::Value;

use crate::row::Row;
use crate::scene::GREENROOM;

const PORT: u16 = 8443;
const SECRET: &str = "a secret of this benchmark alone, for nobody else";
/// Joins of each client, in turn: what else the machine does meanwhile falls on both.
const JOINS: usize = 25;
/// How long a server may take to start.
const START: Duration = Duration::from_secs(5);

pub(crate) fn measure() -> Result<Vec<Row>> {
    // A network without anybody else on it.
    let lab = Lab::new()?;
    lab.server().ip("link set lo up")?;
    let scene = Scene {
        lab,
        programs: Path::new(GREENROOM)
            .parent()
            .context("no folder")?
            .join("examples"),
    };
    let mut rows = scene.joins()?;
    rows.extend(scene.one_session()?);
    rows.push(scene.actions()?);
    rows.extend(scene.many_sessions()?);
    Ok(rows)
}

struct Scene {
    lab: Lab,
    programs: PathBuf,
}

impl Scene {
    fn serve(&self) -> Result<Process> {
        let mut command = self.lab.server().command(GREENROOM);
        command
            .args(["serve", "--listen", &format!("127.0.0.1:{PORT}")])
            .args(["--turn", "false", "--app-key", "bench"])
            .args(["--max-connections", "20000"])
            .args(["--max-connections-per-address", "20000"])
            .env("GREENROOM_APP_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Process::start(&mut command)?;
        let began = Instant::now();
        while began.elapsed() < START {
            let connect = || TcpStream::connect(("127.0.0.1", PORT)).is_ok();
            if self.lab.server().run(connect)? {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("nobody listens at port {PORT}")
    }

    fn program(&self, name: &str) -> Result<Command> {
        let program = self.programs.join(name);
        ensure!(
            program.exists(),
            "the example {name} is not built; script/bench builds it"
        );
        let mut command = self.lab.server().command(program);
        command
            .arg(format!("http://127.0.0.1:{PORT}"))
            .arg("bench")
            .env("GREENROOM_APP_SECRET", SECRET)
            .env("no_proxy", "127.0.0.1");
        Ok(command)
    }

    fn load(&self, arguments: &[&str]) -> Result<Value> {
        let mut server = self.serve()?;
        let output = self
            .program("session_load")?
            .args(arguments)
            .env("SERVER_PID", server.child().id().to_string())
            .stdin(Stdio::null())
            .output()?;
        ensure!(
            output.status.success(),
            "session_load {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("session_load prints no JSON")
    }

    fn one_session(&self) -> Result<Vec<Row>> {
        let figures = self.load(&["one", "500", "1000"])?;
        let (joined, per_user) = (
            number(&figures, "joined_s")?,
            number(&figures, "bytes_per_user")?,
        );
        let (equal, users) = (
            number(&figures, "lists_equal")?,
            number(&figures, "users_after")?,
        );
        Ok(vec![
            Row::judged(
                "500 users join one session, until each is on every list",
                "≤ 20 s",
                format!("{joined:.1} s"),
                joined <= 20.0,
            ),
            Row::judged(
                "memory of the server for each of them",
                "≤ 100 KB",
                format!("{:.0} KB", per_user / 1000.0),
                per_user <= 100_000.0,
            ),
            Row::judged(
                "lists that equal the server's after 1,000 random joins, leaves, renames and mutes",
                "all",
                format!("{equal} of {users}"),
                equal.total_cmp(&users).is_eq() && users > 0.0,
            ),
        ])
    }

    fn actions(&self) -> Result<Row> {
        let figures = self.load(&["act", "100", "200"])?;
        let p95 = number(&figures, "p95_ms")?;
        Ok(Row::judged(
            "a privileged action until all of 100 users have seen it, p95 of 200",
            "≤ 50 ms",
            format!("{p95:.1} ms (median {:.1} ms)", number(&figures, "p50_ms")?),
            p95 <= 50.0,
        ))
    }

    fn many_sessions(&self) -> Result<Vec<Row>> {
        let figures = self.load(&["many", "1000"])?;
        let took = number(&figures, "took_s")?;
        let foreign = number(&figures, "lists_with_others")?;
        Ok(vec![
            Row::judged(
                "1,000 sessions of two users, set up, none on the list of another",
                "≤ 60 s",
                format!("{took:.1} s, {foreign} lists with others"),
                took <= 60.0 && foreign < 1.0,
            ),
            Row::told(
                "memory of the server for each of them",
                format!("{:.0} KB", number(&figures, "bytes_per_session")? / 1000.0),
            ),
        ])
    }

    /// Each client in a process of its own that was started before; a join a line.
    fn joins(&self) -> Result<Vec<Row>> {
        let _server = self.serve()?;
        let mut ours = Joiner::start(&mut self.program("join_time")?)?;
        let python = witness()?;
        let mut command = self.lab.server().command(python);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/witness/join_time.py"))
            .env("no_proxy", "127.0.0.1");
        let mut theirs = Joiner::start(&mut command)?;
        let (mut ours_ms, mut theirs_ms) = (Vec::new(), Vec::new());
        // The first of each warms the process and does not count.
        for round in 0..=JOINS {
            let (own, token) = ours.join_and_admit(round)?;
            let other = theirs.join(&format!("ws://127.0.0.1:{PORT} {token}"))?;
            if round > 0 {
                ours_ms.push(own);
                theirs_ms.push(other);
            }
        }
        let (ours_p50, theirs_p50) = (median(ours_ms), median(theirs_ms));
        let share = ours_p50 / theirs_p50;
        Ok(vec![Row::judged(
            "join on loopback, warm, median of 25, beside LiveKit's SDK for Python, in turn",
            "≤ 0.7 ×",
            format!("{share:.2} × ({ours_p50:.1} and {theirs_p50:.1} ms)"),
            share <= 0.7,
        )])
    }
}

/// A client that joins once for each line it reads, and prints the milliseconds.
struct Joiner {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Joiner {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no stdin")?;
        let output = BufReader::new(child.stdout.take().context("no stdout")?);
        Ok(Self {
            child,
            input,
            output,
        })
    }

    fn line(&mut self, text: &str) -> Result<String> {
        writeln!(self.input, "{text}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the client ended");
        Ok(line)
    }

    fn join(&mut self, text: &str) -> Result<f64> {
        let line = self.line(text)?;
        line.trim()
            .parse()
            .with_context(|| format!("no figure: {line}"))
    }

    /// Ours, and an engine token for the other client.
    fn join_and_admit(&mut self, round: usize) -> Result<(f64, String)> {
        let line = self.line(&format!("round {round}"))?;
        let mut words = line.split_whitespace();
        let ms = words.next().and_then(|word| word.parse().ok());
        let token = words.next().map(str::to_owned);
        ms.zip(token)
            .with_context(|| format!("no figure and token: {line}"))
    }
}

impl Drop for Joiner {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python that has LiveKit's SDK, where `script/witness` puts it.
fn witness() -> Result<PathBuf> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../witness/bin/python");
    ensure!(
        python.exists(),
        "{} is not there; script/witness makes it",
        python.display()
    );
    Ok(python)
}

fn number(figures: &Value, name: &str) -> Result<f64> {
    figures[name]
        .as_f64()
        .with_context(|| format!("no {name} in {figures}"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
