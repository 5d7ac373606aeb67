//! From the speaker through the air to the microphone: heard or not, how late and how loud.

mod arrival;
pub mod chirp;
mod correlation;
mod echo;
pub mod shot;
pub mod verdict;

#[cfg(test)]
mod tests;
