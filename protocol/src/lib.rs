//! Wire formats and state machines that both ends of a measurement share; pure.
