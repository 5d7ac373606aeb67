//! A private machine for the test process: own users, network, mounts and processes.

mod enter;
mod init;
mod tools;

pub(crate) use enter::is_inside;
pub use enter::{enter, enter_or_exit};
pub(crate) use tools::run_tool;
