//! What the command line takes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use greenroom_reports::model::finding::Complaint;
use greenroom_reports::model::report::ProbeId;
use greenroom_reports::units::ByteCount;

/// Will the call work, and if not, why, and what can be done?
#[derive(Debug, Parser)]
#[command(name = "greenroom", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes of `check` (and of `report show`): 0 ready, 3 limited, 4 cannot join, 5 undetermined \
(only this machine was tested, or required data is missing), 1 failure of the tool, 2 wrong usage, \
130 interrupted twice.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check this machine and its network path, and say what it means for a call.
    Check(Box<CheckArgs>),
    /// Run a Greenroom server for others to measure against.
    #[cfg(feature = "server")]
    Serve(Box<super::serve::ServeArgs>),
    /// List cameras, microphones and speakers, and choose among them.
    #[cfg(feature = "devices")]
    Devices(DevicesArgs),
    /// Try TURN servers over every transport and address family, and say why what does not work.
    Turn(Box<TurnArgs>),
    /// Make the token with which somebody joins a session.
    Token(Box<super::token::TokenArgs>),
    /// Join a session from this terminal, or from a script.
    #[cfg(feature = "session")]
    Join(Box<super::join::JoinArgs>),
    /// Show, validate or explain a report.
    #[command(subcommand)]
    Report(ReportCommand),
    /// Print the JSON schema of the report.
    Schema,
}

/// How much a check measures; without either the connection decides.
#[derive(Debug, Args)]
pub(super) struct DepthArgs {
    /// Fewer samples, and no trial with the traffic of a call: about 2.5 s and at most 1 MB,
    /// instead of 6 s and at most 8 MB.
    #[arg(long)]
    pub(super) quick: bool,
    /// A full check even where the system says that the connection is metered; there it would be a
    /// quick one.
    #[arg(long, conflicts_with = "quick")]
    pub(super) full: bool,
}

#[cfg(feature = "devices")]
#[derive(Debug, Args)]
pub(super) struct DevicesArgs {
    #[command(subcommand)]
    pub(super) command: Option<DevicesCommand>,
    /// As JSON; with --watch one line a change.
    #[arg(long)]
    pub(super) json: bool,
    /// Stay, and tell what is plugged in and out.
    #[arg(long)]
    pub(super) watch: bool,
}

#[cfg(feature = "devices")]
#[derive(Debug, Subcommand)]
pub(super) enum DevicesCommand {
    /// Choose devices for calls and checks; the choice is kept.
    Select {
        #[command(flatten)]
        choice: ChoiceArgs,
        /// Leave the choice to the system again, but for what is named here.
        #[arg(long)]
        clear: bool,
    },
    /// Record a few seconds and play them back, for your own ears to judge.
    Try(TryArgs),
}

#[cfg(feature = "devices")]
#[derive(Debug, Args)]
pub(super) struct TryArgs {
    /// Microphone: its id, its name, or a part of the name that no other has [default: the one that
    /// was selected, else the system's].
    #[arg(long, value_name = "NAME|ID")]
    pub(super) microphone: Option<String>,
    /// Speaker, in the same way.
    #[arg(long, value_name = "NAME|ID")]
    pub(super) speaker: Option<String>,
    /// How long to record.
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=30))]
    pub(super) seconds: u64,
}

/// Devices by id, by name, or by a part of the name that no other has.
#[cfg(feature = "devices")]
#[derive(Debug, Default, Args)]
pub(super) struct ChoiceArgs {
    /// Camera: its id, its name, or a part of the name that no other has.
    #[arg(long, value_name = "NAME|ID")]
    pub(super) camera: Option<String>,
    /// Microphone, in the same way.
    #[arg(long, value_name = "NAME|ID")]
    pub(super) microphone: Option<String>,
    /// Speaker, in the same way.
    #[arg(long, value_name = "NAME|ID")]
    pub(super) speaker: Option<String>,
}

#[cfg(feature = "devices")]
impl ChoiceArgs {
    /// Nothing is named.
    pub(super) fn is_empty(&self) -> bool {
        [&self.camera, &self.microphone, &self.speaker]
            .iter()
            .all(|name| name.is_none())
    }
}

/// Who asks TURN servers. A password or secret on the command line is seen by other users of this
/// machine; a file or the environment is not.
#[derive(Default, Args)]
pub(super) struct LoginArgs {
    /// User name for the TURN servers.
    #[arg(long = "turn-user", value_name = "NAME", env = "GREENROOM_TURN_USER")]
    pub(super) user: Option<String>,
    /// Password that goes with it; others on this machine can see it, so rather use the file.
    #[arg(
        long = "turn-password",
        value_name = "TEXT",
        env = "GREENROOM_TURN_PASSWORD",
        hide_env_values = true,
        conflicts_with = "password_file"
    )]
    pub(super) password: Option<String>,
    /// File whose first line is the password.
    #[arg(long = "turn-password-file", value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Secret that the TURN servers share (`static-auth-secret` of coturn): time-limited credentials
    /// are made from it. Others on this machine can see it, so rather use the file.
    #[arg(
        long = "turn-secret",
        value_name = "TEXT",
        env = "GREENROOM_TURN_SECRET",
        hide_env_values = true,
        conflicts_with = "secret_file"
    )]
    pub(super) secret: Option<String>,
    /// File whose first line is the shared secret.
    #[arg(long = "turn-secret-file", value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
}

/// Without the secrets.
impl fmt::Debug for LoginArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginArgs").finish_non_exhaustive()
    }
}

#[derive(Debug, Args)]
#[command(after_help = TURN_EXIT_CODES)]
pub(super) struct TurnArgs {
    /// Servers: `turn:host[:port][?transport=udp|tcp]` or `turns:host[:port]`. Without a transport
    /// both UDP and TCP are tried.
    #[arg(required = true, value_name = "URL")]
    pub(super) urls: Vec<String>,
    #[command(flatten)]
    pub(super) login: LoginArgs,
    /// Trust the certificate authorities in this PEM file too.
    #[arg(long, value_name = "FILE", env = "GREENROOM_CA")]
    pub(super) ca: Vec<PathBuf>,
    /// Write the report as JSON, redacted; `-` is standard output, instead of the matrix.
    #[arg(long, value_name = "FILE|-")]
    pub(super) json: Option<PathBuf>,
    /// Keep addresses and host names in the JSON.
    #[arg(long)]
    pub(super) no_redact: bool,
}

const TURN_EXIT_CODES: &str = "\
Exit codes: 0 everything relays, 3 something does, 4 nothing does, 5 nothing was tried to its end, \
1 failure of the tool, 2 wrong usage.";

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) depth: DepthArgs,
    /// Greenroom server to measure against. Without one only this machine is tested, and the
    /// answer for the network is "undetermined".
    #[arg(long, value_name = "URL", env = "GREENROOM_SERVER")]
    pub(super) server: Option<String>,
    /// Trust the certificate authorities in this PEM file too.
    #[arg(long, value_name = "FILE", env = "GREENROOM_CA")]
    pub(super) ca: Vec<PathBuf>,
    /// Profile to judge by: `default`, `voice`, or a TOML file [default: the server operator's,
    /// else `default`].
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) profile: Option<String>,
    #[cfg(feature = "devices")]
    #[command(flatten)]
    pub(super) devices: ChoiceArgs,
    /// STUN server to ask, `stun:host[:port]`, beside the server's own; repeatable. Two of different
    /// addresses tell what kind of NAT there is.
    #[arg(long = "stun", value_name = "URL")]
    pub(super) stun: Vec<String>,
    /// TURN server to try, beside the server's own; repeatable. See `greenroom turn --help`.
    #[arg(long = "turn", value_name = "URL")]
    pub(super) turn: Vec<String>,
    #[command(flatten)]
    pub(super) login: LoginArgs,
    /// Run these probes only, and what they depend on.
    #[arg(long, value_name = "PROBE", value_delimiter = ',')]
    pub(super) only: Vec<ProbeArg>,
    /// Leave these probes out.
    #[arg(
        long,
        value_name = "PROBE",
        value_delimiter = ',',
        env = "GREENROOM_SKIP"
    )]
    pub(super) skip: Vec<ProbeArg>,
    /// End after this time with what there is: `3s`, `1500ms`. Each probe plans for what
    /// is left. Below about 6 s there are fewer samples, then no trial with the traffic of a call,
    /// then rates by short trains of packets alone.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) time: Option<Duration>,
    /// Spend at most so much, both directions together: `2MB`, `500kB` [default: 8MB]. How high
    /// rates are measured grows with it: up to 12 Mbit/s to the server and 25 Mbit/s from it by
    /// default, and 100 Mbit/s and more with `64MB`.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub(super) data: Option<ByteCount>,
    /// Measure the rates over TCP too, beside UDP: about 4 s and up to 8 MB more, within
    /// --time and --data.
    #[arg(long)]
    pub(super) compare_tcp: bool,
    /// Write the report as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE|-")]
    pub(super) json: Option<PathBuf>,
    /// Write the report as Markdown, for a ticket; `-` is standard output.
    #[arg(long, value_name = "FILE|-")]
    pub(super) markdown: Option<PathBuf>,
    /// Write every event as one line of JSON while the check runs; `-` is standard output.
    #[arg(long, value_name = "FILE|-")]
    pub(super) events: Option<PathBuf>,
    /// Keep addresses, host and user names in files that are written; without this they become
    /// pseudonyms, so that the files can be shared.
    #[arg(long)]
    pub(super) no_redact: bool,
    /// No progress and no report on the terminal; files and the exit code only.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Show a report as text or Markdown.
    Show {
        /// The report, JSON; `-` is standard input.
        file: PathBuf,
        /// As Markdown.
        #[arg(long)]
        markdown: bool,
        /// Judge it again by this profile: `default`, `voice`, or a TOML file.
        #[arg(long, value_name = "NAME|FILE")]
        profile: Option<String>,
    },
    /// Say whether a file is a valid report, and whether its verdict follows from its figures.
    Validate {
        /// The report, JSON; `-` is standard input.
        file: PathBuf,
    },
    /// List the findings that explain a complaint, worst first.
    Explain {
        /// The report, JSON; `-` is standard input.
        file: PathBuf,
        /// What the user complains about.
        #[arg(long)]
        complaint: ComplaintArg,
    },
}

/// A probe, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProbeArg {
    /// This machine.
    System,
    /// The server's discovery document.
    Discovery,
    /// The idle path to the server.
    Path,
    /// What each direction carries, and whether a call fits.
    Throughput,
    /// How names are looked up.
    Resolve,
    /// TCP, TLS, HTTP and WebSocket to the server.
    Web,
    /// STUN servers, and what they tell of the NAT.
    Stun,
    /// TURN servers, over every transport.
    Turn,
    /// What the camera shows.
    #[cfg(feature = "devices")]
    Camera,
    /// What the microphone hears.
    #[cfg(feature = "devices")]
    Microphone,
    /// What the speaker plays, and whether the microphone hears it.
    #[cfg(feature = "devices")]
    Speaker,
}

impl From<ProbeArg> for ProbeId {
    fn from(arg: ProbeArg) -> Self {
        match arg {
            ProbeArg::System => Self::System,
            ProbeArg::Discovery => Self::Discovery,
            ProbeArg::Path => Self::Path,
            ProbeArg::Throughput => Self::Throughput,
            ProbeArg::Resolve => Self::Resolve,
            ProbeArg::Web => Self::Web,
            ProbeArg::Stun => Self::Stun,
            ProbeArg::Turn => Self::Turn,
            #[cfg(feature = "devices")]
            ProbeArg::Camera => Self::Camera,
            #[cfg(feature = "devices")]
            ProbeArg::Microphone => Self::Microphone,
            #[cfg(feature = "devices")]
            ProbeArg::Speaker => Self::Speaker,
        }
    }
}

/// What users say when a call is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ComplaintArg {
    /// The picture is soft, blocky or frozen.
    BlurryVideo,
    /// Words are missing or robotic.
    ChoppyAudio,
    /// Cannot connect, or the connection breaks.
    PoorConnectivity,
}

impl From<ComplaintArg> for Complaint {
    fn from(arg: ComplaintArg) -> Self {
        match arg {
            ComplaintArg::BlurryVideo => Self::BlurryVideo,
            ComplaintArg::ChoppyAudio => Self::ChoppyAudio,
            ComplaintArg::PoorConnectivity => Self::PoorConnectivity,
        }
    }
}

/// A number and a unit that follows it.
pub(super) fn split_unit(text: &str) -> Result<(f64, String), String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end]
        .parse()
        .map_err(|_not_a_number| format!("{text:?} does not begin with a number"))?;
    Ok((number, text[end..].trim().to_owned()))
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit.to_lowercase().as_str() {
        "s" | "" => number,
        "ms" => number / 1000.0,
        "min" | "m" => number * 60.0,
        _ => {
            return Err(format!(
                "{unit:?} is no unit of time here; use s, ms or min"
            ));
        }
    };
    let span = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if span.is_zero() {
        return Err("a check needs some time; try 3s".to_owned());
    }
    Ok(span)
}

fn parse_bytes(text: &str) -> Result<ByteCount, String> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit.to_lowercase().as_str() {
        "b" | "" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        _ => {
            return Err(format!(
                "{unit:?} is no unit of data here; use kB, MB or GB"
            ));
        }
    };
    let bytes = number * factor;
    if !(1.0..=1e15).contains(&bytes) {
        return Err("a check needs some data; try 2MB".to_owned());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    Ok(ByteCount::new(bytes.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_with_their_units() {
        assert_eq!(parse_time("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(parse_time("1500 ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_bytes("2MB"), Ok(ByteCount::new(2_000_000)));
        assert_eq!(parse_bytes("1.5kB"), Ok(ByteCount::new(1500)));
        for bad in ["", "fast", "3h", "0s", "-1s", "1e400s"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
        for bad in ["", "2TB", "0"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
