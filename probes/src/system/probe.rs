//! Runs the readers beside each other and folds what they bring into the section.

#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::Duration;

use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::system::{
    Cpu, Display, Gpu, Interface, Memory, Os, Power, SystemSection, Throttling,
};
use greenroom_reports::units::Ratio;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::platform;
use super::proxy::{proxy_problems, read_proxy};
use super::requirements::{SystemFacts, judge_requirements};
use super::root::{Environment, SystemRoot};

/// How the machine is read.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemConfig {
    /// Where files are read.
    pub root: SystemRoot,
    /// The variables that name display server, session bus and proxy.
    pub environment: Environment,
    /// How long the processor is watched for other programs' load and for throttling. The kernel
    /// counts time in steps of 10 ms, so 250 ms resolve 4 % of a core.
    pub watch: Duration,
    /// How long one display server may take to answer. A local one takes a few milliseconds; one
    /// that is forwarded over a network takes about six round trips, and the X11 server of a
    /// Wayland desktop starts only when first asked. A longer time leaves less for the portal.
    pub server_timeout: Duration,
    /// How long the screen-capture portal may take to answer. One that runs takes a few
    /// milliseconds; where the bus has to start it first, this may be too short, and screen
    /// capture is then unknown.
    pub portal_timeout: Duration,
    /// How long the system's network manager may take to tell whether the connection is metered. It
    /// takes a few milliseconds; a check waits for it before it begins.
    pub metered_timeout: Duration,
    /// When the whole ends in any case, with what there is.
    pub deadline: Duration,
}

impl Default for SystemConfig {
    /// This machine, in the environment of this process.
    fn default() -> Self {
        Self {
            root: SystemRoot::default(),
            environment: Environment::of_process(),
            watch: Duration::from_millis(250),
            server_timeout: Duration::from_millis(350),
            portal_timeout: Duration::from_millis(300),
            metered_timeout: Duration::from_millis(150),
            deadline: Duration::from_millis(550),
        }
    }
}

/// Reads this machine: operating system, processor, memory, graphics, display, power, interfaces,
/// proxy, and what all that is fit for.
///
/// It always ends within [`SystemConfig::deadline`] and spends next to no processor time. What did
/// not answer by then is left out and named in the reason of a `Partial`. `NotRun` comes only when
/// processor or display server were not read yet.
///
/// # Cancel safety
///
/// On `cancel` it returns at once with what there is. Dropping the future leaves nothing behind
/// but reads that end by themselves within the deadline.
pub async fn run(config: SystemConfig, cancel: CancellationToken) -> Outcome<SystemSection> {
    let until = Instant::now() + config.deadline;
    let mut readers = spawn_readers(&config);
    let mut gathered = Gathered::default();
    let mut failed = false;
    let end = loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => break End::Cancelled,
            () = tokio::time::sleep_until(until) => break End::OutOfTime,
            next = readers.join_next() => match next {
                Some(Ok(part)) => gathered.add(part),
                // A reader panicked. Its part stays missing, which the outcome says.
                Some(Err(_panic)) => failed = true,
                None if failed => break End::Failed,
                None => break End::Complete,
            },
        }
    };
    gathered.into_outcome(end, &config)
}

/// Whether the connection is paid for by what it carries; `None` where the system does not tell.
/// On Linux it is `NetworkManager` that tells, also by a guess for the hotspots of phones.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn is_metered(config: SystemConfig) -> Option<bool> {
    platform::read_metered(config).await
}

/// Reads only what the requirements look at.
pub(super) async fn read_facts(config: SystemConfig) -> SystemFacts {
    let (root, deadline) = (config.root.clone(), config.deadline);
    let machine = tokio::task::spawn_blocking(move || platform::read_machine(&root));
    let display = tokio::time::timeout(deadline, platform::read_display(config));
    let (machine, display) = tokio::join!(tokio::time::timeout(deadline, machine), display);
    let machine = machine.ok().and_then(Result::ok);
    SystemFacts {
        usable_cores: machine
            .as_ref()
            .map_or_else(platform::usable_cores, |m| m.cpu.usable_cores),
        memory: machine.and_then(|machine| machine.memory),
        display: display.ok(),
    }
}

/// What hardly changes and is quickly read.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) os: Os,
    /// Without what takes watching.
    pub(super) cpu: Cpu,
    pub(super) memory: Option<Memory>,
    pub(super) gpus: Vec<Gpu>,
}

/// What takes watching.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Activity {
    pub(super) busy_ratio: Option<Ratio>,
    pub(super) throttling: Option<Throttling>,
}

enum Part {
    Machine(Box<Machine>),
    Power(Power),
    Interfaces(Option<Vec<Interface>>),
    Display(Display),
    Metered(Option<bool>),
    Activity(Activity),
}

/// Starts every reader. They are apart because any of them can be slow: a battery behind a slow
/// embedded controller, a network driver that asks its hardware, a display server that hangs.
fn spawn_readers(config: &SystemConfig) -> JoinSet<Part> {
    let mut readers = JoinSet::new();
    let root = config.root.clone();
    readers.spawn_blocking(move || Part::Machine(Box::new(platform::read_machine(&root))));
    let root = config.root.clone();
    readers.spawn_blocking(move || Part::Power(platform::read_power(&root)));
    let root = config.root.clone();
    readers.spawn_blocking(move || Part::Interfaces(platform::read_interfaces(&root)));
    let display = platform::read_display(config.clone());
    readers.spawn(async move { Part::Display(display.await) });
    let metered = platform::read_metered(config.clone());
    readers.spawn(async move { Part::Metered(metered.await) });
    let activity = platform::watch_activity(config.root.clone(), config.watch);
    readers.spawn(async move { Part::Activity(activity.await) });
    readers
}

/// Why the reading ended.
#[derive(Clone, Copy)]
enum End {
    Complete,
    Failed,
    Cancelled,
    OutOfTime,
}

#[derive(Default)]
struct Gathered {
    machine: Option<Box<Machine>>,
    power: Option<Power>,
    interfaces: Option<Vec<Interface>>,
    display: Option<Display>,
    metered: Option<bool>,
    activity: Option<Activity>,
}

impl Gathered {
    fn add(&mut self, part: Part) {
        match part {
            Part::Machine(machine) => self.machine = Some(machine),
            Part::Power(power) => self.power = Some(power),
            Part::Interfaces(interfaces) => self.interfaces = interfaces,
            Part::Display(display) => self.display = Some(display),
            Part::Metered(metered) => self.metered = metered,
            Part::Activity(activity) => self.activity = Some(activity),
        }
    }

    fn missing(&self) -> Vec<&'static str> {
        [
            (
                "operating system, processor and memory",
                self.machine.is_none(),
            ),
            ("display", self.display.is_none()),
            ("power", self.power.is_none()),
            ("network interfaces", self.interfaces.is_none()),
            ("processor load", self.activity.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, missing)| missing.then_some(name))
        .collect()
    }

    fn into_outcome(self, end: End, config: &SystemConfig) -> Outcome<SystemSection> {
        let missing = self.missing();
        let reason = reason(end, &missing);
        match (self.into_section(config), missing.is_empty()) {
            (Some(data), true) => Outcome::Measured { data },
            (Some(data), false) => Outcome::Partial { data, reason },
            (None, _) => Outcome::NotRun { reason },
        }
    }

    /// `None` without processor or display server, of which nothing is said rather than a guess.
    fn into_section(self, config: &SystemConfig) -> Option<SystemSection> {
        let Machine {
            os,
            mut cpu,
            memory,
            gpus,
        } = *self.machine?;
        let display = self.display?;
        let activity = self.activity.unwrap_or_default();
        cpu.busy_ratio = activity.busy_ratio;
        cpu.throttling = activity.throttling;
        let requirements = judge_requirements(&SystemFacts {
            usable_cores: cpu.usable_cores,
            memory: memory.clone(),
            display: Some(display.clone()),
        });
        Some(SystemSection {
            os,
            cpu,
            memory,
            gpus,
            display,
            power: self.power.unwrap_or(UNKNOWN_POWER),
            interfaces: self.interfaces.unwrap_or_default(),
            metered: self.metered,
            proxy: read_proxy(&config.environment),
            proxy_problems: proxy_problems(&config.environment),
            requirements,
        })
    }
}

/// Power of which nothing is known.
pub(super) const UNKNOWN_POWER: Power = Power {
    source: None,
    battery_ratio: None,
    profile: None,
    saver_active: None,
};

fn reason(end: End, missing: &[&str]) -> Reason {
    let missing = missing.join(", ");
    match end {
        End::Cancelled => Reason::new(
            ReasonCode::Cancelled,
            format!("cancelled before these were read: {missing}"),
        ),
        End::OutOfTime => Reason::new(
            ReasonCode::OutOfTime,
            format!("these did not answer in time: {missing}"),
        ),
        End::Failed => Reason::new(
            ReasonCode::InternalError,
            format!("reading these broke off: {missing}"),
        ),
        End::Complete => Reason::new(
            ReasonCode::Unsupported,
            format!("these could not be read: {missing}"),
        ),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
