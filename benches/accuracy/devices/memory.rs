//! Memory of a check of devices.

use std::process::Stdio;

use anyhow::{Context, Result};
use greenroom_lab::Process;

use super::server::SoundServer;
use super::time::DEVICES;
use crate::cost::peak_mb;
use crate::row::Row;
use crate::scene::GREENROOM;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let server = SoundServer::start()?;
    let mut command = server.command(GREENROOM);
    command
        .args(["check", "--quiet", "--json", "-"])
        .args(DEVICES)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut check = Process::start(&mut command).context("cannot start the check")?;
    let memory = peak_mb(&mut check)?;
    Ok(vec![Row::judged(
        "`check` of devices alone, peak resident memory: microphone and speaker of a sound server, synthetic \
         camera, encoding",
        "≤ 60 MB",
        format!("{memory:.1} MB"),
        memory <= 60.0,
    )])
}
