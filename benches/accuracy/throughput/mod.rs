//! What the way carries: rates, delay under load, the rung that fits, and what finding out costs.

mod capacity;
mod cost;
mod loopback;
mod queue;
mod rung;

pub(crate) use capacity::measure as capacity;
pub(crate) use cost::measure as cost;
pub(crate) use loopback::measure as loopback;
pub(crate) use queue::measure as queue;
pub(crate) use rung::{in_real_time as rungs_on_the_lab_link, measure as rungs};
