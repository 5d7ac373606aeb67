//! What the built program says of a device, in a machine.

use std::time::{Duration, Instant};

use greenroom::Report;
use greenroom::model::finding::Finding;
use greenroom::schema::read_report;
use greenroom_lab::vm::{Machine, Output, Task};

/// A check of one device takes 3 to 5 s; of one that does not answer, 10 s.
const LIMIT: Duration = Duration::from_secs(30);

/// The machine's processor is emulated, so this is true of every camera that is checked in it, and stands beside what is
/// wrong with the camera. One test asserts that it is named.
pub(crate) const SLOW_PROCESSOR: &str = "system.cpu.no_encode_headroom";

/// A processor that is emulated, and shared with other tests, fetches samples too late now and then. They are lost in
/// truth, and so it is said; where, chance decides.
const LOST_SAMPLES: &str = "device.microphone.xruns";

/// Who may open no device, and has no home.
pub(crate) const WITHOUT_RIGHTS: &str =
    "env -u HOME setpriv --reuid=65534 --regid=65534 --clear-groups";

/// Where a check tells what it is doing.
const EVENTS: &str = "/run/events";

/// A check that runs.
#[derive(Debug)]
pub(crate) struct Checking<'m> {
    machine: &'m Machine,
    task: Task<'m>,
}

impl<'m> Checking<'m> {
    /// Starts a check of `camera` or `microphone`, which may be followed by more arguments.
    pub(crate) fn start(machine: &'m Machine, probe: &str) -> Self {
        Self::start_as(machine, "", probe)
    }

    fn start_as(machine: &'m Machine, user: &str, probe: &str) -> Self {
        // Before the check begins, or `flowing` reads what an earlier one told.
        machine.run(&format!("rm -f {EVENTS}")).unwrap();
        let script = format!(
            "touch {EVENTS}; chmod 666 {EVENTS}
            {user} greenroom check --json - --events {EVENTS} --only {probe}"
        );
        let task = machine.start(&script).unwrap();
        Self { machine, task }
    }

    /// Waits until the device has given something.
    pub(crate) fn flowing(self) -> Self {
        self.past("0.[0-9]*[1-9]")
    }

    /// Waits until the device has given a tenth of what it is asked for.
    pub(crate) fn well_on_its_way(self) -> Self {
        self.past("0.[1-9]")
    }

    fn past(self, ratio: &str) -> Self {
        let given = format!("grep -q '\"done_ratio\":{ratio}' {EVENTS}");
        let waited = self.machine.wait_until("the stream", &given, LIMIT);
        waited.unwrap_or_else(|error| panic!("{error}\n{}", self.task.stderr()));
        self
    }

    /// Waits for the report.
    pub(crate) fn finish(self) -> Checked {
        let began = Instant::now();
        let output = self.task.wait(LIMIT).unwrap_or_else(|e| panic!("{e}"));
        let report = read_report(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}, after {:?}: {output:?}", began.elapsed()));
        Checked { report, output }
    }
}

/// A check that is over.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) report: Report,
    output: Output,
}

impl Checked {
    /// Checks `camera` or `microphone`, which may be followed by more arguments.
    pub(crate) fn run(machine: &Machine, probe: &str) -> Self {
        Checking::start(machine, probe).finish()
    }

    /// The same as the user without rights.
    pub(crate) fn run_without_rights(machine: &Machine, probe: &str) -> Self {
        Checking::start_as(machine, WITHOUT_RIGHTS, probe).finish()
    }

    /// All findings about devices and the machine, the first in rank first. That there is no server is none of them.
    pub(crate) fn all(&self) -> Vec<&str> {
        let ids = self.report.findings.iter().map(|finding| &*finding.id);
        ids.filter(|id| !id.starts_with("network.")).collect()
    }

    /// Exactly these findings are there, in this order, whether or not the processor is slow.
    #[track_caller]
    pub(crate) fn assert_named(&self, ids: &[&str]) {
        let mut named = self.all();
        named.retain(|id| ![SLOW_PROCESSOR, LOST_SAMPLES].contains(id));
        assert_eq!(named, ids, "{}", self.words());
    }

    /// This finding stands first, and nothing beside it but what it explains and these.
    #[track_caller]
    pub(crate) fn assert_first(&self, id: &str, beside: &[&str]) {
        let is_known = |f: &Finding| f.id.starts_with("network.") || beside.contains(&&*f.id);
        let findings = self.report.findings.iter();
        let mut others = findings.filter(|f| f.id != id && !is_known(f));
        let about_the_device = self.all().into_iter().find(|id| id.starts_with("device."));
        assert_eq!(about_the_device, Some(id), "{}", self.words());
        let is_explained = |f: &Finding| f.consequence_of.as_deref() == Some(id);
        assert!(others.all(is_explained), "{}", self.words());
    }

    /// What it rests on, for people.
    fn words(&self) -> String {
        let report = &self.report;
        let sections = [
            serde_json::to_string(
                &report
                    .camera
                    .data()
                    .map(|camera| (&camera.picture, camera.frames)),
            ),
            serde_json::to_string(&report.microphone),
            serde_json::to_string(&report.findings),
        ];
        let sections = sections.map(Result::unwrap).join("\n");
        format!("{sections}\n{}", self.output.stderr)
    }

    /// The finding with this id says this in its evidence.
    #[track_caller]
    pub(crate) fn assert_evidence(&self, id: &str, text: &str) {
        let finding: Option<&Finding> = self.report.findings.iter().find(|f| f.id == id);
        let evidence = format!("{:?}", finding.map(|finding| &finding.evidence));
        assert!(evidence.contains(text), "{evidence}");
    }
}
