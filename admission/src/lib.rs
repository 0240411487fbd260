//! The line, its stores, tokens and wait estimates. No HTTP.

pub mod estimate;
pub mod line;
pub mod policy;
pub mod polls;
pub mod session;
pub mod standing;
pub mod store;
pub mod token;
pub mod usher;

#[cfg(test)]
#[path = "../../config/src/testing/fuzz.rs"]
mod fuzz;
