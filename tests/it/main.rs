//! The built program and the facade, on loopback.
