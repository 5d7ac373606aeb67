//! Memory, and the limit that a control group puts on it.

use std::path::{Component, Path, PathBuf};

use greenroom_reports::model::system::Memory;
use greenroom_reports::units::ByteCount;

use super::super::root::SystemRoot;

/// Reads installed and available memory; in a limited control group no more is available than the
/// limit leaves.
pub(super) fn read_memory(root: &SystemRoot) -> Option<Memory> {
    let text = root.text("proc/meminfo")?;
    let total = field(&text, "MemTotal")?;
    let mut available = field(&text, "MemAvailable")?;
    for group in groups(root) {
        if let Some((limit, used)) = limit(root, &group) {
            available = available.min(limit.saturating_sub(used));
        }
    }
    Some(Memory {
        total_bytes: ByteCount::new(total),
        available_bytes: ByteCount::new(available),
    })
}

/// A value of `/proc/meminfo` in bytes.
fn field(text: &str, key: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix(':').map(str::to_owned);
    let value = text.lines().find_map(value)?;
    let kib: u64 = value.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The directory of our control group (version 2) and of each one above it.
fn groups(root: &SystemRoot) -> Vec<PathBuf> {
    let text = root.text("proc/self/cgroup").unwrap_or_default();
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let own = Path::new(own.unwrap_or_default());
    // A path that climbs out of our view of the tree has no directory here.
    if own.components().any(|part| part == Component::ParentDir) {
        return Vec::new();
    }
    own.ancestors()
        .map(|group| Path::new("sys/fs/cgroup").join(group))
        .collect()
}

/// Limit and use of one group in bytes; cached files are given back on demand and do not count.
fn limit(root: &SystemRoot, group: &Path) -> Option<(u64, u64)> {
    let limit = root.number(group.join("memory.max"))?;
    let used: u64 = root.number(group.join("memory.current"))?;
    let stat = root.text(group.join("memory.stat")).unwrap_or_default();
    let cached = |line: &str| line.strip_prefix("inactive_file ")?.parse().ok();
    let cached: u64 = stat.lines().find_map(cached).unwrap_or(0);
    Some((limit, used.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::super::super::root::fixture::Fixture;
    use super::*;

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:        8000000 kB\nMemFree:          500000 kB\nMemAvailable:    4000000 kB",
    );

    #[test]
    fn available_memory_is_not_free_memory() {
        let memory = read_memory(&Fixture::of(&[MEMINFO])).unwrap();
        assert_eq!(memory.total_bytes.get(), 8_192_000_000);
        assert_eq!(memory.available_bytes.get(), 4_096_000_000);
    }

    #[test]
    fn the_narrowest_group_above_us_counts() {
        let root = Fixture::of(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/outer/inner"),
            ("sys/fs/cgroup/outer/inner/memory.max", "max"),
            ("sys/fs/cgroup/outer/inner/memory.current", "1000"),
            ("sys/fs/cgroup/outer/memory.max", "1000000"),
            ("sys/fs/cgroup/outer/memory.current", "700000"),
            (
                "sys/fs/cgroup/outer/memory.stat",
                "anon 5\ninactive_file 200000",
            ),
        ]);
        let memory = read_memory(&root).unwrap();
        assert_eq!(memory.total_bytes.get(), 8_192_000_000);
        assert_eq!(memory.available_bytes.get(), 500_000);
    }

    #[test]
    fn memory_that_is_not_told_is_absent() {
        assert_eq!(
            read_memory(&Fixture::of(&[("proc/meminfo", "MemTotal: x kB")])),
            None
        );
    }
}
