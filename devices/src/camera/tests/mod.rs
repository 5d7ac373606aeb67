//! Tests of choosing, sharing and watching.

mod choice;
mod scripted;
mod shared;
mod synthetic;
