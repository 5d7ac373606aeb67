//! The client's end of a load measurement: uplink, downlink, then a call both ways.
//!
//! Loads travel on one flow, the load flow; a second flow to the same server, from another local
//! port, carries nothing but echoes and shows what the load does to others. A driver owns two
//! sockets and the clock. It calls [`LoadClient::poll`] until that says wait or finished.

mod config;
mod flow;
mod flows;
mod machine;
mod trials;

pub use config::{FlowId, LoadConfig, LoadEnd, LoadOutput, LoadPhase, TrialPlan};
pub use flow::FlowFailure;
pub use machine::{LoadClient, Measured};
pub use trials::TrialResult;
