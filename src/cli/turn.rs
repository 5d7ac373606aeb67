//! `greenroom turn`, and what it shares with `check`: which servers, and who asks.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context;
use greenroom_probes::stun::StunConfig;
use greenroom_probes::turn::{MAX_URLS, TurnConfig, TurnLogin};
use greenroom_protocol::turn::url::IceUrl;
use greenroom_reports::model::finding::Finding;
use greenroom_reports::model::outcome::Outcome;
use greenroom_reports::model::report::{ProbeId, Report};
use greenroom_reports::model::turn::{TurnResult, TurnSection};
use greenroom_reports::render::{json, text::findings, turn_matrix};
use greenroom_reports::verdict::exit_code;

use super::args::{LoginArgs, TurnArgs};
use super::output::{self, Usage};
use crate::{Cancel, CancelCause, Check};

/// Who asks, where a secret is given and no name.
const DEFAULT_USER: &str = "greenroom";

/// Tries the servers, shows the matrix, and what is wrong.
pub(super) fn run(args: &TurnArgs) -> anyhow::Result<u8> {
    let mut builder = Check::builder()
        .only([ProbeId::Turn])
        .skip([ProbeId::Discovery])
        .turn(config(&args.urls, &args.login)?);
    for path in &args.ca {
        builder = builder.authority(output::read_authority(path)?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let report = runtime.block_on(async {
        let mut check = builder.start().await?;
        let stopper = tokio::spawn(stop_on_signal(check.canceller()));
        while check.next_event().await.is_some() {}
        stopper.abort();
        anyhow::Ok(check.report())
    });
    runtime.shutdown_background();
    show(&report?, args)
}

async fn stop_on_signal(cancel: Cancel) {
    super::check::next_signal().await;
    cancel.cancel(CancelCause::User);
}

fn show(report: &Report, args: &TurnArgs) -> anyhow::Result<u8> {
    if let Some(path) = &args.json {
        let shared = if args.no_redact {
            report.clone()
        } else {
            report.redacted()
        };
        output::write(path, &json(&shared))?;
    }
    if !args.json.as_deref().is_some_and(output::is_dash) {
        output::print(&page(report))?;
    }
    Ok(exit_code_of(&report.turn))
}

fn page(report: &Report) -> String {
    let matrix = match &report.turn {
        Outcome::Measured { data } => turn_matrix(data),
        Outcome::Partial { data, reason } => {
            format!("{}\nStopped: {}\n", turn_matrix(data), reason.message)
        }
        Outcome::Blocked { reason } | Outcome::NotRun { reason } => {
            format!("Not tried: {}\n", reason.message)
        }
    };
    let style = output::style(io::stdout().is_terminal());
    let of_turn =
        |f: &&Finding| f.id.starts_with("network.turn.") || f.id == "network.udp.few_ports";
    let found: Vec<&Finding> = report.findings.iter().filter(of_turn).collect();
    if found.is_empty() {
        return matrix;
    }
    format!("{matrix}\n{}", findings(&found, style))
}

/// 0: every cell relays; 3: some do; 4: none does; 5: none was tried to its end.
fn exit_code_of(turn: &Outcome<TurnSection>) -> u8 {
    let cells = turn.data().map_or(&[][..], |section| &section.cells);
    let of = |result| cells.iter().filter(|cell| cell.result == result).count();
    let (relaying, stopped) = (of(TurnResult::Relays), of(TurnResult::Stopped));
    if stopped == cells.len() {
        exit_code::UNDETERMINED
    } else if relaying == cells.len() {
        exit_code::READY
    } else if relaying > 0 {
        exit_code::LIMITED
    } else {
        exit_code::CANNOT_JOIN
    }
}

/// Which servers, and who asks them.
pub(super) fn config(urls: &[String], login: &LoginArgs) -> anyhow::Result<TurnConfig> {
    if urls.len() > MAX_URLS {
        let n = urls.len();
        let message = format!("{n} TURN servers are too many for one run; name {MAX_URLS} at most");
        return Err(Usage(message).into());
    }
    let urls: Result<Vec<IceUrl>, Usage> = urls.iter().map(|text| read_url(text)).collect();
    let login = read_login(login)?;
    Ok(TurnConfig { urls: urls?, login })
}

/// STUN servers, and the TURN servers that were named, which answer too.
pub(super) fn stun_config(stun: &[String], turn: &[String]) -> anyhow::Result<StunConfig> {
    let named: Result<Vec<IceUrl>, Usage> = stun.iter().map(|text| read_stun(text)).collect();
    let mut urls = named?;
    urls.extend(turn.iter().filter_map(|text| text.parse::<IceUrl>().ok()));
    Ok(StunConfig { urls })
}

fn read_stun(text: &str) -> Result<IceUrl, Usage> {
    text.parse().map_err(|error| {
        Usage(format!(
            "{:?} is no URL of a STUN server: {error}",
            shown(text)
        ))
    })
}

fn read_url(text: &str) -> Result<IceUrl, Usage> {
    let url: IceUrl = text.parse().map_err(|error| {
        Usage(format!(
            "{:?} is no URL of a TURN server: {error}",
            shown(text)
        ))
    })?;
    if url.scheme.is_turn() {
        Ok(url)
    } else {
        let message = format!("{text} is a STUN server; TURN begins with turn: or turns:");
        Err(Usage(message))
    }
}

/// What may be a password stays unsaid.
fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_userinfo, host)) => format!("…@{host}"),
        None => text.to_owned(),
    }
}

fn read_login(args: &LoginArgs) -> anyhow::Result<TurnLogin> {
    let password = secret(args.password.as_deref(), args.password_file.as_deref())?;
    let secret = secret(args.secret.as_deref(), args.secret_file.as_deref())?;
    let user = args.user.clone();
    match (user, password, secret) {
        (_, Some(_), Some(_)) => Err(Usage(
            "a password and a shared secret are given; the secret makes passwords itself, so leave \
             one out"
                .to_owned(),
        )
        .into()),
        (Some(username), Some(password), None) => Ok(TurnLogin::Password { username, password }),
        (None, Some(_), None) => {
            Err(Usage("a password needs its user: give --turn-user".to_owned()).into())
        }
        (Some(_), None, None) => Err(Usage(
            "a user needs a password or a shared secret: give --turn-password-file or \
             --turn-secret-file"
                .to_owned(),
        )
        .into()),
        (user, None, Some(secret)) => Ok(TurnLogin::Secret {
            username: user.unwrap_or_else(|| DEFAULT_USER.to_owned()),
            secret,
        }),
        (None, None, None) => Ok(TurnLogin::Nobody),
    }
}

/// A secret as it is, or the first line of a file.
fn secret(given: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(path) = file else {
        return Ok(given.map(str::to_owned));
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Usage(format!(
            "{} begins with an empty line; the secret belongs into the first one",
            path.display()
        ))
        .into());
    }
    Ok(Some(line.to_owned()))
}
