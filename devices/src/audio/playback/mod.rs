//! From a sound to a speaker's callback.

pub mod port;
pub mod sound;
pub mod speaker;
