//! The command line. The only part that prints: reports to standard output, progress and errors to
//! standard error.

mod args;
mod check;
#[cfg(feature = "devices")]
mod devices;
mod entry;
#[cfg(feature = "session")]
mod join;
mod output;
mod progress;
mod report;
mod schema;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod serve_session;
mod token;
#[cfg(feature = "devices")]
mod try_out;
mod turn;

pub use entry::main;
