//! What a link carries: rates, delay under load, limits of the server, and what a check may spend.

mod budget;
mod faults;
mod figures;
mod server;
mod spent;

use libtest_mimic::Trial;

pub(crate) use faults::capacity_mbps;
pub(crate) use spent::link;

pub(crate) fn trials() -> Vec<Trial> {
    let trials = [
        faults::trials(),
        server::trials(),
        figures::trials(),
        budget::trials(),
    ];
    trials.into_iter().flatten().collect()
}
