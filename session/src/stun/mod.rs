//! Asking STUN servers what this machine's address looks like from outside, and what the NAT lets in.

mod behavior;
mod binding;
mod message;
mod stream;

pub use behavior::{Heard, filtering, is_plausible};
pub use binding::{Bound, ask, ask_all};
pub use stream::ask_over_stream;
