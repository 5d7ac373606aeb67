//! Asking STUN servers what this machine's address looks like from outside.

mod binding;

pub use binding::{Bound, ask, ask_all, read_answer, request};
