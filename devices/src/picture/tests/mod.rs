//! Conversion against an exact reference, rates from known timestamps, faults in synthetic scenes.

mod convert;
mod intervals;
mod quality;
mod scene;
