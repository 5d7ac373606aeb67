//! Tests with streams of frames that are made up, and with the synthetic camera.

mod machine;
mod run;
