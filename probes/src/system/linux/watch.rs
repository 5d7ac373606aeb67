//! The two looks: one that is enough, and two with a pause between.

#![expect(clippy::disallowed_methods, reason = "driver: waits between two looks")]

use std::time::Duration;

use super::super::probe::{Activity, Machine};
use super::super::root::SystemRoot;
use super::cpu::{self, CpuTimes};
use super::throttle::{self, ThrottleMarks};
use super::{gpu, memory, os};

/// Reads what one look is enough for.
pub(in crate::system) fn read_machine(root: &SystemRoot) -> Machine {
    Machine {
        os: os::read_os(root),
        cpu: cpu::read_cpu(root),
        memory: memory::read_memory(root),
        gpus: gpu::read_gpus(root),
    }
}

/// Looks, waits for `pause`, looks again, and says what changed.
pub(in crate::system) async fn watch_activity(root: SystemRoot, pause: Duration) -> Activity {
    let Some(before) = Look::take(&root).await else {
        return Activity::default();
    };
    tokio::time::sleep(pause).await;
    let Some(after) = Look::take(&root).await else {
        return Activity::default();
    };
    Activity {
        busy_ratio: cpu::busy_ratio(before.times, after.times),
        throttling: throttle::judge_throttling(&before.marks, &after.marks),
    }
}

struct Look {
    times: Option<CpuTimes>,
    marks: ThrottleMarks,
}

impl Look {
    async fn take(root: &SystemRoot) -> Option<Self> {
        let root = root.clone();
        let look = move || Self {
            times: CpuTimes::read(&root),
            marks: ThrottleMarks::read(&root),
        };
        tokio::task::spawn_blocking(look).await.ok()
    }
}
