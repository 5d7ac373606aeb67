//! Many seeds on all cores.

use std::thread::ScopedJoinHandle;

/// `work` for every seed of `0..runs`, in the order of the seeds, on as many threads as there are
/// cores.
pub(crate) fn in_parallel<T: Send>(runs: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let share = |thread| (thread..runs).step_by(usize::try_from(threads).unwrap_or(1));
    let mut done: Vec<(u64, T)> = std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    share(thread)
                        .map(|seed| (seed, work(seed)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let parts = handles.into_iter().map(ScopedJoinHandle::join);
        parts
            .flat_map(|part| part.expect("a seed that panics has said why"))
            .collect()
    });
    done.sort_by_key(|(seed, _)| *seed);
    done.into_iter().map(|(_, result)| result).collect()
}
