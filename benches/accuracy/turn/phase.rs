//! How long trying a server over every transport takes.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use greenroom::Report;
use greenroom::model::report::ProbeId;
use greenroom::model::turn::{RelayTransport, TurnCell, TurnResult};

use super::coturn::{self, Certificate, PASSWORD, PORT, TLS_PORT, USER};
use crate::figures::{largest, median};
use crate::row::Row;
use crate::scene::{GREENROOM, Scene, good_link};

const RUNS: usize = 10;
/// With every transport open, and with UDP dropped.
const OPEN_S: f64 = 1.0;
const BLACK_HOLED_S: f64 = 3.0;

pub(super) fn measure() -> Result<Vec<Row>> {
    let scene = Scene::with(good_link(), 1)?;
    let files = tempfile::tempdir()?;
    let (server, address) = (scene.lab.server(), scene.lab.server().ipv4());
    let certificate = Certificate::make(files.path(), address.into())?;
    let coturn = coturn::start(server, address.into(), files.path(), Some(&certificate))?;
    let phase = Phase {
        urls: [
            format!("turn:{address}:{PORT}"),
            format!("turns:{address}:{TLS_PORT}"),
        ],
        authority: &certificate.authority,
        scene: &scene,
    };
    let mut rows = phase.rows("all open", OPEN_S, TurnResult::Relays)?;
    scene.lab.access_router().block_udp()?;
    rows.extend(phase.rows("UDP dropped", BLACK_HOLED_S, TurnResult::NoAnswer)?);
    drop(coturn);
    Ok(rows)
}

struct Phase<'a> {
    urls: [String; 2],
    authority: &'a str,
    scene: &'a Scene,
}

impl Phase<'_> {
    /// The program, and the probe in a check, so often; what stands in the cells over UDP is known.
    fn rows(&self, network: &str, most_s: f64, over_udp: TurnResult) -> Result<Vec<Row>> {
        let (mut program, mut probe) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            program.push(self.program(over_udp)?);
            probe.push(self.probe(over_udp)?);
        }
        let row = |what: &str, seconds: &[f64]| -> Result<Row> {
            let (median, worst) = (median(seconds)?, largest(seconds));
            Ok(Row::judged(
                format!("{what}, 20 ms RTT, {network}, worst of {RUNS}"),
                format!("≤ {most_s} s"),
                format!("{worst:.2} s (median {median:.2} s)"),
                worst <= most_s,
            ))
        };
        Ok(vec![
            row("`greenroom turn` over UDP, TCP and TLS", &program)?,
            row(
                "probe `turn` of a check: the same server, and the Greenroom server's own relay",
                &probe,
            )?,
        ])
    }

    /// Wall time of `greenroom turn`.
    fn program(&self, over_udp: TurnResult) -> Result<f64> {
        let mut command = self.scene.lab.client().command(GREENROOM);
        command
            .arg("turn")
            .args(&self.urls)
            .args(["--ca", self.authority, "--json", "-", "--no-redact"])
            .env("GREENROOM_TURN_USER", USER)
            .env("GREENROOM_TURN_PASSWORD", PASSWORD)
            .stdin(Stdio::null());
        let began = Instant::now();
        let output = command.output()?;
        let took = began.elapsed().as_secs_f64();
        let report: Report = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        expect(&report, 3, over_udp)?;
        Ok(took)
    }

    /// What the report tells of the probe.
    fn probe(&self, over_udp: TurnResult) -> Result<f64> {
        let user = [
            ("GREENROOM_TURN_USER", USER),
            ("GREENROOM_TURN_PASSWORD", PASSWORD),
        ];
        let [turn, turns] = [&self.urls[0], &self.urls[1]];
        let arguments = [
            "--only",
            "turn",
            "--ca",
            self.authority,
            "--turn",
            turn,
            "--turn",
            turns,
        ];
        let report = self.scene.check_as(&arguments, &user)?.report;
        expect(&report, 5, over_udp)?;
        let mut costs = report.cost.probes.iter();
        let cost = costs.find(|cost| cost.probe == ProbeId::Turn);
        Ok(cost.context("the probe did not run")?.elapsed_ms.as_f64() / 1e3)
    }
}

/// Every cell is there and holds what it should.
fn expect(report: &Report, cells: usize, over_udp: TurnResult) -> Result<()> {
    let turn = report.turn.data().context("nothing was tried")?;
    let right = |cell: &TurnCell| match cell.transport {
        RelayTransport::Udp => cell.result == over_udp,
        _ => cell.result == TurnResult::Relays,
    };
    ensure!(
        turn.cells.len() == cells && turn.cells.iter().all(right),
        "{turn:?}"
    );
    Ok(())
}
