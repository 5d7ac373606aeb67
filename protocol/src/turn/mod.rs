//! What TURN's client and server share beyond the RFCs.

pub mod credential;
pub mod url;
