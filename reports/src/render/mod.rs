//! A report for people and programs.

pub mod json;
pub mod markdown;
pub mod text;

mod bandwidth;
mod details;
mod device_rows;
mod devices;
mod resolve_rows;
mod stun_rows;
mod turn_rows;
mod web_rows;
mod words;

pub use json::json;
pub use markdown::markdown;
pub use text::{Style, text};
pub use turn_rows::turn_matrix;
