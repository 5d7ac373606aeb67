//! How well intervals keep their promise.
