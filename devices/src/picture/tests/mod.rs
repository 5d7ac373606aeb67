//! Conversion against an exact reference, rates from known timestamps, faults in synthetic scenes.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small known numbers"
)]

mod convert;
mod intervals;
mod quality;
mod scene;
