//! Processor throttling: what the kernel counts, and how far the clock may go.
//!
//! Counters since the start say nothing of now: a healthy laptop has throttled at some time. Only
//! their increase between two looks counts, and a cap that keeps the clock far below its maximum.

use std::collections::BTreeMap;

use greenroom_reports::model::system::Throttling;

use super::super::root::SystemRoot;

/// A cap below this share of the maximum clock counts as throttling: 0.6.
///
/// Turning off the processor's boost, a usual choice against noise, leaves 55 to 85 % of the
/// maximum and is mostly no fault; thermal protection and weak power supplies go to half and
/// below. Raising it alarms where boost is off. Our engineering choice.
const MIN_CLOCK_SHARE: f64 = 0.6;

/// Everything on throttling that one look gives; compared by [`judge_throttling`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ThrottleMarks {
    /// Events since the start by counter, summed over the cores.
    counts: BTreeMap<&'static str, u64>,
    /// Share of the maximum clock that a limit leaves, by limit.
    caps: BTreeMap<&'static str, f64>,
    /// Kinds of cooling devices that slow the processor, and whether one does.
    cooling: BTreeMap<String, bool>,
}

impl ThrottleMarks {
    pub(super) fn read(root: &SystemRoot) -> Self {
        Self {
            counts: read_counts(root),
            caps: read_caps(root),
            cooling: read_cooling(root),
        }
    }

    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.caps.is_empty() && self.cooling.is_empty()
    }
}

/// Events of thermal protection by the processor itself, on x86.
///
/// Source: Linux, `Documentation/ABI/testing/sysfs-devices-system-cpu`.
fn read_counts(root: &SystemRoot) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for core in root.entries("sys/devices/system/cpu") {
        for name in ["core_throttle_count", "package_throttle_count"] {
            let path = format!("sys/devices/system/cpu/{core}/thermal_throttle/{name}");
            if let Some(count) = root.number::<u64>(path) {
                let sum = counts.entry(name).or_insert(0_u64);
                *sum = sum.saturating_add(count);
            }
        }
    }
    counts
}

/// How far limits let the clock go, over all cores together: processors with fast and slow cores
/// have a maximum for each.
fn read_caps(root: &SystemRoot) -> BTreeMap<&'static str, f64> {
    let policies: Vec<String> = root
        .entries("sys/devices/system/cpu/cpufreq")
        .into_iter()
        .filter(|name| name.starts_with("policy"))
        .map(|name| format!("sys/devices/system/cpu/cpufreq/{name}"))
        .collect();
    let share = |limit: &str| {
        let pair = |policy: &String| -> Option<(f64, f64)> {
            let at = |file: &str| root.number::<f64>(format!("{policy}/{file}"));
            Some((at(limit)?, at("cpuinfo_max_freq")?))
        };
        let pairs = policies.iter().filter_map(pair);
        let (limits, maxima) = pairs.fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        (maxima > 0.0).then(|| limits / maxima)
    };
    let percent = root.number::<f64>("sys/devices/system/cpu/intel_pstate/max_perf_pct");
    [
        ("scaling_max_freq", share("scaling_max_freq")),
        ("bios_limit", share("bios_limit")),
        (
            "intel_pstate max_perf_pct",
            percent.map(|percent| percent / 100.0),
        ),
    ]
    .into_iter()
    .filter_map(|(name, share)| Some((name, share?)))
    .collect()
}

/// The kernel's own cooling: it lowers the processor's clock, or makes it idle.
///
/// Source: Linux, `Documentation/driver-api/thermal/sysfs-api.rst`.
fn read_cooling(root: &SystemRoot) -> BTreeMap<String, bool> {
    let mut cooling = BTreeMap::new();
    for device in root.entries("sys/class/thermal") {
        let at = |file: &str| root.text(format!("sys/class/thermal/{device}/{file}"));
        let (Some(kind), Some(state)) = (at("type"), at("cur_state")) else {
            continue;
        };
        if let Some(kind) = cooling_kind(&kind) {
            // intel_powerclamp says -1 when it is off.
            let acts = state.parse::<i64>().is_ok_and(|state| state > 0);
            *cooling.entry(kind).or_insert(false) |= acts;
        }
    }
    cooling
}

/// The kind without its core's number, for those that slow the processor; fans do not.
fn cooling_kind(kind: &str) -> Option<String> {
    let bare = kind.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare = bare.trim_end_matches(['-', '_']);
    [
        "Processor",
        "intel_powerclamp",
        "cpufreq-cpu",
        "thermal-cpufreq",
        "cpuidle-cpu",
        "thermal-idle",
    ]
    .contains(&bare)
    .then(|| bare.to_owned())
}

/// Whether the processor is throttled, and by whose word; `None` where nothing tells.
pub(super) fn judge_throttling(
    before: &ThrottleMarks,
    after: &ThrottleMarks,
) -> Option<Throttling> {
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let sources = active_sources(before, after);
    if sources.is_empty() {
        let looked_at: Vec<&str> = after
            .counts
            .keys()
            .chain(after.caps.keys())
            .copied()
            .chain(after.cooling.keys().map(String::as_str))
            .collect();
        return Some(Throttling {
            active: false,
            source: looked_at.join(", "),
        });
    }
    Some(Throttling {
        active: true,
        source: sources.join("; "),
    })
}

fn active_sources(before: &ThrottleMarks, after: &ThrottleMarks) -> Vec<String> {
    let mut sources = Vec::new();
    for (name, count) in &after.counts {
        let risen = before
            .counts
            .get(name)
            .map_or(0, |then| count.saturating_sub(*then));
        if risen > 0 {
            sources.push(format!("{name} rose by {risen}"));
        }
    }
    // A cap or a cooling step in both looks: a passing one does not slow a call.
    for (name, share) in &after.caps {
        let lasting = before.caps.get(name).map_or(1.0, |then| then.max(*share));
        if lasting < MIN_CLOCK_SHARE {
            sources.push(format!("{name} at {:.0} % of the maximum", lasting * 100.0));
        }
    }
    for (kind, acts) in &after.cooling {
        if *acts && before.cooling.get(kind) == Some(&true) {
            sources.push(format!("cooling device {kind} slows the processor"));
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::super::super::root::fixture::Fixture;
    use super::*;

    const COUNT: &str = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
    const MAX: &str = "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq";
    const LIMIT: &str = "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq";

    /// Looks twice, with a change to the files between.
    fn watched(files: &[(&str, &str)], change: impl Fn(&Fixture)) -> Option<Throttling> {
        let root = Fixture::of(files);
        let before = ThrottleMarks::read(&root);
        change(&root);
        judge_throttling(&before, &ThrottleMarks::read(&root))
    }

    #[test]
    fn historic_counts_on_a_healthy_laptop_raise_no_alarm() {
        let files = [(COUNT, "1843"), (MAX, "4200000"), (LIMIT, "4200000")];
        let told = watched(&files, |_| {}).unwrap();
        assert!(!told.active);
        assert_eq!(told.source, "core_throttle_count, scaling_max_freq");
    }

    #[test]
    fn a_count_that_rises_is_throttling_now() {
        let told = watched(&[(COUNT, "1843")], |root| root.write(COUNT, "1846")).unwrap();
        assert!(told.active);
        assert_eq!(told.source, "core_throttle_count rose by 3");
    }

    #[test]
    fn a_cap_far_below_the_maximum_is_throttling() {
        let told = watched(&[(MAX, "4200000"), (LIMIT, "1600000")], |_| {}).unwrap();
        assert!(told.active);
        assert_eq!(told.source, "scaling_max_freq at 38 % of the maximum");
    }

    #[test]
    fn boost_turned_off_or_one_capped_policy_of_two_is_not() {
        let boost_off = [(MAX, "4700000"), (LIMIT, "3300000")];
        assert!(!watched(&boost_off, |_| {}).unwrap().active);
        let two = [
            (MAX, "4200000"),
            (LIMIT, "2000000"),
            (
                "sys/devices/system/cpu/cpufreq/policy1/cpuinfo_max_freq",
                "4200000",
            ),
            (
                "sys/devices/system/cpu/cpufreq/policy1/scaling_max_freq",
                "4200000",
            ),
        ];
        assert!(!watched(&two, |_| {}).unwrap().active);
    }

    #[test]
    fn cooling_counts_when_it_lasts_and_fans_never() {
        let files = [
            ("sys/class/thermal/cooling_device0/type", "Fan"),
            ("sys/class/thermal/cooling_device0/cur_state", "1"),
            ("sys/class/thermal/cooling_device1/type", "cpufreq-cpu0"),
            ("sys/class/thermal/cooling_device1/cur_state", "2"),
            ("sys/class/thermal/cooling_device2/type", "intel_powerclamp"),
            ("sys/class/thermal/cooling_device2/cur_state", "-1"),
        ];
        let told = watched(&files, |_| {}).unwrap();
        assert_eq!(
            told.source,
            "cooling device cpufreq-cpu slows the processor"
        );
        let passing =
            |root: &Fixture| root.write("sys/class/thermal/cooling_device1/cur_state", "0");
        assert!(!watched(&files, passing).unwrap().active);
    }

    #[test]
    fn a_machine_that_tells_nothing_is_unknown() {
        assert_eq!(watched(&[("proc/stat", "")], |_| {}), None);
    }
}
