//! STUN and TURN: the machine that decides, and the thread and tasks that carry it.
//!
//! The protocol is RFC 8656 with long-term credentials (RFC 8489 §9.2), UDP towards peers, and
//! UDP, TCP or TLS towards clients. Not offered: TCP allocations (RFC 6062), reserved
//! ports (508), DONT-FRAGMENT (420).

pub(crate) mod buckets;
pub(crate) mod credentials;
pub(crate) mod driver;
pub(crate) mod machine;
pub(crate) mod metrics;
pub(crate) mod nonce;
pub(crate) mod own;
pub(crate) mod policy;
pub(crate) mod service;
