//! Joins and reconnections of the session client, against a small engine on another WebRTC stack whose
//! faults are at a test's command.

mod faults;
mod joining;
mod media;
mod server;
