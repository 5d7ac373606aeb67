//! The Greenroom server.
