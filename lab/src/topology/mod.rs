//! A client, a server and two routers between them, in network namespaces.

mod host;
mod lab;
mod namespace;
mod process;
mod router;
mod shaping;
mod wiring;

pub use host::Host;
pub use lab::{Lab, LabConfig};
pub use process::Process;
pub use router::{Protocol, Router};
pub use shaping::PortRate;
pub use wiring::addresses;
