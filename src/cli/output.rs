//! Printing, and what goes wrong with it.
#![expect(
    clippy::print_stderr,
    reason = "the command line is the part that prints"
)]

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Context;
use greenroom_reports::render::text::Style;
use greenroom_reports::verdict::profile::Profile;

/// The command line asks for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// Writes to standard output.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(())
}

/// Writes a line to standard error; if even that fails, nobody can be told.
pub(super) fn complain(line: &str) {
    eprintln!("{line}");
}

/// Whether an error is that the reader of our output went away, which is its good right.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether a path means standard input or output.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What messages call a path.
pub(super) fn name(path: &Path) -> String {
    if is_dash(path) {
        return "standard input".to_owned();
    }
    path.display().to_string()
}

/// Writes a file, or standard output for `-`.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if is_dash(path) {
        return print(text);
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a file, or standard input for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    if is_dash(path) {
        let mut text = String::new();
        let read = io::stdin().lock().read_to_string(&mut text);
        read.context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A secret from the environment, when it is there.
pub(super) fn secret_variable(name: &str) -> anyhow::Result<Option<String>> {
    let Some(text) = std::env::var_os(name) else {
        return Ok(None);
    };
    let text = text.into_string();
    Ok(Some(text.map_err(|_not_shown| {
        Usage(format!("cannot use {name}: it is not UTF-8"))
    })?))
}

/// The file of `--ca`.
pub(super) fn read_authority(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = fs::read(path);
    Ok(read.map_err(|error| Usage(format!("cannot read --ca {}: {error}", path.display())))?)
}

/// The profile of this name, or in this TOML file.
pub(super) fn load_profile(name: &str) -> anyhow::Result<Profile> {
    if let Some(profile) = Profile::built_in(name) {
        return Ok(profile);
    }
    let looks_like_file = name.contains(['/', '\\', '.']) || Path::new(name).exists();
    if !looks_like_file {
        let message = format!(
            "there is no profile named {name:?}; use default, voice, or the path of a TOML file"
        );
        return Err(Usage(message).into());
    }
    let text = fs::read_to_string(name)
        .map_err(|error| Usage(format!("cannot read the profile {name}: {error}")))?;
    let profile = Profile::from_toml(&text)
        .map_err(|error| Usage(format!("the profile {name} is wrong at {error}")))?;
    Ok(profile)
}

/// How text is laid out on this standard output.
pub(super) fn style(is_terminal: bool) -> Style {
    let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    Style {
        color: is_terminal && colors_wanted(),
        width: if is_terminal {
            columns.clamp(40, 100)
        } else {
            80
        },
    }
}

/// `NO_COLOR` with any content switches colors off; see no-color.org.
pub(super) fn colors_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
