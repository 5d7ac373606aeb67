//! The machine in virtual time, with sockets that exist on paper.

mod attacks;
mod harness;
mod life;
mod peers;
