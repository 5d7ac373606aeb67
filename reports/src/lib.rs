//! The ground floor of Greenroom: quantities with units, statistics, the report, its verdict and
//! findings, and the renderers that show it.
//!
//! Pure: no runtime, socket, device or clock.

#![cfg_attr(
    test,
    expect(clippy::float_cmp, reason = "hand-computed vectors are exact")
)]

pub mod units;

pub mod model;
pub mod stats;

pub mod derive;

pub mod finding;
pub mod verdict;

pub mod redact;
pub mod render;
pub mod schema;

mod testing;

#[doc(hidden)]
pub use testing::{fuzzing, samples, validation};
