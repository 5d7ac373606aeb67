//! USB devices of our own, plugged into the guest's virtual host controller: the kernel's drivers see transfers as of
//! hardware. Killing the program that plays one unplugs it.

mod camera;
mod descriptors;
mod microphone;
mod port;
mod wire;

pub(super) use camera::play as play_camera;
pub(super) use microphone::play as play_microphone;
