//! TOML to typed, validated settings.
//!
//! A config directory holds `sluice.toml` and `tenants/*.toml`. [`load`] reads all of it in one pass and
//! returns either a whole [`Config`] or *every* mistake in *every* file, each with its place. The types in
//! [`settings`] cannot hold an invalid value: they need no second check.
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
//!    the section does not list is an unknown key.
//! 3. `load` puts the files together, or hands back all their mistakes as [`Errors`].
//!
//! A key is declared once, in its section (`declare` says how): its reader, its bounds and its default, the [`schema`]
//! for editors, the tables of the [`manual`], and what is hidden of a file that is not TOML all come from there. Tests
//! hold readers and samples to the same keys. [`Watch`] tells when it is worth loading again, and [`Config::notes`] what a
//! config may say but hardly means.
//!
//! # Secrets
//!
//! A config names its secrets, it does not hold them. Where one is written all the same, no error repeats it:
//! values that should be secrets, values of unknown keys and, in a file that is not TOML, everything that is not
//! known to be harmless are hidden from every message.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

mod declare;
mod diagnostics;
mod forms;
pub mod limits;
mod load;
pub mod manual;
mod outside;
pub mod schema;
mod sections;
pub mod settings;
#[cfg(test)]
mod testing;

pub use diagnostics::{Errors, Kind, Mistake};
pub use load::{admin_listener, load, load_with, watch::Watch};
pub use outside::dns;
pub use settings::*;
