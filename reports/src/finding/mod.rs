//! From what was found to its causes.

pub mod catalog;
pub mod explain;
mod rules;

mod bandwidth_catalog;
mod facts;
mod rank;

pub use explain::explain;
pub use rank::derive;
