//! The ground floor of Greenroom: quantities with units, statistics, the report, its verdict and
//! findings, and the renderers that show it.
//!
//! Pure: no runtime, socket, device or clock.

pub mod model;
pub mod units;
pub mod verdict;
