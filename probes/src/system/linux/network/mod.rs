//! Network interfaces and the routes through them.

mod interfaces;
mod netlink;

pub(in crate::system) use interfaces::read_interfaces;
