//! The devices a person chose.
