//! Faults of cameras, microphones and speakers: each is named first, limits what it should, and
//! takes along what follows from it; what is healthy or was left out raises no alarm.

mod judged;

mod camera;
mod every_kind;
mod microphone;
mod outlook;
mod speaker;
