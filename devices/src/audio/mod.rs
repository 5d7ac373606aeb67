//! Microphones and speakers: which there are, what they give, and how their mixers stand.
//!
//! [`catalog::Audio`] lists and opens them. A microphone is opened once and read by as many as want
//! to ([`capture::microphone::SharedMicrophone`]); a speaker plays sounds and tells when each began
//! ([`playback::speaker::Speaker`]).

pub mod backend;
pub mod catalog;

pub mod stream;

pub mod capture;
pub mod echo_test;
pub mod playback;

mod native;
pub mod synthetic;
