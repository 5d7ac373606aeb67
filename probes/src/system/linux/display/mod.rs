//! Where windows are shown, and whether the screen can be captured: asked by really connecting.

mod portal;
mod server;
mod wayland;
mod x11;

#[cfg(test)]
mod tests;

pub(in crate::system) use server::read_display;
