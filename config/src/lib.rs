//! TOML to typed, validated settings.
//!
//! A config directory holds `sluice.toml` and `tenants/*.toml`. [`load`] reads all of it in one pass and
//! returns either a whole [`Config`] or *every* mistake in *every* file, each with its place. The types in
//! [`settings`] cannot hold an invalid value: whoever has one need not check it again.
//!
//! ```
//! # let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sample");
//! # let key = "c2x1aWNlIHNsdWljZSBzbHVpY2Ugc2x1aWNlIHNsdWk=";
//! let env = |name: &str| (name == "SLUICE_KEY").then(|| key.to_owned());
//! let config = sluice_config::load_with(&dir, &env)?;
//! assert_eq!(config.tenants[0].queues[0].release_per_minute.get(), 600);
//! # Ok::<(), sluice_config::Errors>(())
//! ```
//!
//! # How it reads
//!
//! 1. `load::syntax` parses a file with the place of every key and value, and finds all its syntax errors.
//! 2. A reader per table (`sections`) asks for its keys one by one. Each value either becomes what it should be, or
//!    reports its own mistake to the file's `Diagnostics` and leaves the proof of it, with which the reader goes on. What
//!    no reader asked for is an unknown key.
//! 3. `load` puts the files together, or hands back all their mistakes as [`Errors`].
//!
//! The same tables are documented structs in [`schema`], for editors; tests hold readers, schema, samples and manual
//! to the same keys, defaults and bounds. [`Watch`] tells when it is worth loading again, and [`Config::notes`] what a
//! config may say but hardly means.
//!
//! # Secrets
//!
//! A config names its secrets, it does not hold them. Where somebody writes one all the same, no error repeats it:
//! values that should be secrets, values of unknown keys and, in a file that is not TOML, everything that is not
//! known to be harmless are hidden from every message.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has told its tale"))]

mod declare;
mod diagnostics;
mod forms;
pub mod limits;
mod load;
mod outside;
pub mod schema;
mod sections;
pub mod settings;
#[cfg(test)]
mod testing;

pub use diagnostics::{Errors, Kind, Mistake};
pub use load::{Watch, load, load_with};
pub use settings::*;
