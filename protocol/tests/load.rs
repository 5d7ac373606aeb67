//! Loads in virtual time: what a client does with servers and links that behave badly.

mod load_harness;
