//! From the process's arguments to its exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use greenroom_reports::verdict::exit_code;
use tracing_subscriber::EnvFilter;

use super::args::{Cli, Command};
use super::{check, output, report, schema};

/// Runs the program.
pub fn main() -> ExitCode {
    // Clap prints help and errors itself, and exits with 0 or 2.
    let cli = Cli::parse();
    start_log(&cli.command);
    let result = match cli.command {
        Command::Check(args) => check::run(&args),
        #[cfg(feature = "server")]
        Command::Serve(args) => super::serve::run(*args),
        #[cfg(feature = "devices")]
        Command::Devices(args) => super::devices::run(&args),
        Command::Turn(args) => super::turn::run(&args),
        Command::Token(args) => super::token::run(*args),
        #[cfg(feature = "session")]
        Command::Join(args) => super::join::run(&args),
        Command::Report(command) => report::run(command),
        Command::Schema => schema::run(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            ExitCode::from(exit_code_of(&error))
        }
    }
}

/// What the user can mend on the command line is wrong usage, everything else a failure.
fn exit_code_of(error: &anyhow::Error) -> u8 {
    if error
        .chain()
        .any(<dyn std::error::Error>::is::<output::Usage>)
    {
        exit_code::USAGE
    } else {
        exit_code::FAILURE
    }
}

/// A server logs what it does, a check only what is amiss; `GREENROOM_LOG` asks for more.
fn start_log(command: &Command) {
    let default = match command {
        #[cfg(feature = "server")]
        // Malformed packets of strangers are counted, not written down one by one.
        Command::Serve(_) => "info,stun_types=error,turn_types=error",
        _ => "error",
    };
    let filter = EnvFilter::try_from_env("GREENROOM_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && output::colors_wanted())
        .init();
}
