//! TOML to typed, validated settings.
//!
//! A config directory holds `sluice.toml` and `tenants/*.toml`. [`load`] reads all of it in one pass and
//! returns either a whole [`Config`] or *every* mistake in *every* file, each with its place. The types in
//! [`settings`] cannot hold an invalid value: whoever has one need not check it again.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has told its tale"))]

mod error;
mod files;
pub mod limits;
mod load;
mod log;
mod mask;
mod outside;
mod read;
pub mod schema;
mod sections;
pub mod settings;
mod source;
mod syntax;
#[cfg(test)]
mod testing;
mod text;
mod watch;

pub use error::{Errors, Kind, Mistake};
pub use load::{load, load_with};
pub use settings::*;
pub use watch::Watch;
