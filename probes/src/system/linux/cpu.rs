//! Processor: model, cores, and the share that other programs use.

use std::thread;

use greenroom_reports::model::system::Cpu;
use greenroom_reports::units::Ratio;

use super::super::root::SystemRoot;

/// Reads what one look is enough for.
pub(super) fn read_cpu(root: &SystemRoot) -> Cpu {
    Cpu {
        model: model(root),
        usable_cores: usable_cores(),
        machine_cores: root
            .text("sys/devices/system/cpu/online")
            .and_then(|text| count_list(&text)),
        busy_ratio: None,
        load_average_1min: root
            .text("proc/loadavg")
            .and_then(|text| text.split_whitespace().next()?.parse().ok()),
        throttling: None,
    }
}

/// Logical cores that this process may use, affinity and control-group quota counted; at least 1.
///
/// A quota of one and a half cores counts as one.
pub(in crate::system) fn usable_cores() -> u32 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// The name in `/proc/cpuinfo`, or on ARM the board's.
fn model(root: &SystemRoot) -> Option<String> {
    let text = root.text("proc/cpuinfo").unwrap_or_default();
    ["model name", "Model", "cpu model", "Hardware", "uarch"]
        .iter()
        .find_map(|key| field(&text, key))
        .or_else(|| root.text("proc/device-tree/model"))
}

/// The first value of `key : value` lines.
fn field(text: &str, key: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(name, _)| name.trim() == key)?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    (!value.is_empty()).then_some(value)
}

/// Members of a kernel list such as `0-3,8`.
fn count_list(text: &str) -> Option<u32> {
    text.split(',').try_fold(0_u32, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// Processor time since the start, in clock ticks, over all cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTimes {
    /// All time there was.
    total: u64,
    /// Time in which a core had nothing to do, or waited for a disk.
    idle: u64,
    /// Time that this process used.
    own: u64,
}

impl CpuTimes {
    pub(super) fn read(root: &SystemRoot) -> Option<Self> {
        let (total, idle) = machine_ticks(&root.text("proc/stat")?)?;
        let own = process_ticks(&root.text("proc/self/stat")?)?;
        Some(Self { total, idle, own })
    }
}

/// Total and idle ticks of the `cpu` line: user, nice, system, idle, iowait, irq, softirq, steal.
/// Guest time is left out, since user time has it already. Time stolen by the hypervisor counts as
/// busy: it is not there for us.
///
/// Source: proc(5), `/proc/stat`.
fn machine_ticks(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .map_while(|tick| tick.parse().ok())
        .collect();
    let idle = ticks
        .get(3)?
        .saturating_add(ticks.get(4).copied().unwrap_or(0));
    Some((
        ticks.iter().fold(0, |sum, tick| sum.saturating_add(*tick)),
        idle,
    ))
}

/// User and system ticks of `/proc/self/stat`, the 14th and 15th field; the 2nd may hold blanks
/// and brackets, so counting starts behind its last bracket.
fn process_ticks(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user.saturating_add(system))
}

/// Share of all cores that other programs used between two looks; `None` without both, or when no
/// tick passed. Counters may step back by a tick; that counts as zero.
pub(super) fn busy_ratio(before: Option<CpuTimes>, after: Option<CpuTimes>) -> Option<Ratio> {
    let (before, after) = (before?, after?);
    let total = after.total.checked_sub(before.total)?;
    let idle = after.idle.saturating_sub(before.idle);
    let own = after.own.saturating_sub(before.own);
    Ratio::of(total.saturating_sub(idle).saturating_sub(own), total)
}

#[cfg(test)]
mod tests {
    use super::super::super::root::fixture::Fixture;
    use super::*;

    #[test]
    fn model_cores_and_load_are_those_of_the_files() {
        let root = Fixture::of(&[
            (
                "proc/cpuinfo",
                "processor\t: 0\nmodel name\t: 11th Gen  Intel(R) Core(TM) i5-1135G7 @ 2.40GHz",
            ),
            ("sys/devices/system/cpu/online", "0-3,6,8-9"),
            ("proc/loadavg", "0.52 0.58 0.59 1/467 12345"),
        ]);
        let cpu = read_cpu(&root);
        assert_eq!(
            cpu.model.as_deref(),
            Some("11th Gen Intel(R) Core(TM) i5-1135G7 @ 2.40GHz")
        );
        assert_eq!(cpu.machine_cores, Some(7));
        assert_eq!(cpu.load_average_1min, Some(0.52));
        assert!(cpu.usable_cores >= 1);
    }

    #[test]
    fn an_arm_board_is_named_by_its_device_tree() {
        let root = Fixture::of(&[
            ("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 108.00"),
            ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
        ]);
        assert_eq!(
            read_cpu(&root).model.as_deref(),
            Some("Raspberry Pi 4 Model B Rev 1.4")
        );
    }

    #[test]
    fn damaged_lists_are_not_counted() {
        assert_eq!(count_list("3-1"), None);
        assert_eq!(count_list("0-4294967295"), None);
        assert_eq!(count_list("x"), None);
    }

    #[test]
    fn our_own_time_does_not_count_as_busy() {
        let times = |stat: &str, own: &str| {
            CpuTimes::read(&Fixture::of(&[
                ("proc/stat", stat),
                ("proc/self/stat", own),
            ]))
        };
        let before = times(
            "cpu  100 0 50 1000 10 0 0 0 0 0\ncpu0 1",
            "1 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0",
        );
        // 40 ticks more: 20 idle, 20 busy, of these 5 our own.
        let after = times(
            "cpu  110 0 60 1018 12 0 0 0 0 0\ncpu0 1",
            "1 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 11 4 0 0",
        );
        assert_eq!(busy_ratio(before, after), Ratio::new(0.375));
        assert_eq!(busy_ratio(before, before), None);
        assert_eq!(busy_ratio(None, after), None);
    }
}
