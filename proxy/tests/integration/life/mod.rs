//! The life of a node: it starts, takes a new config, ends, is killed, comes back.

mod backup;
mod health;
mod reload;
mod resources;
mod restart;
mod shutdown;
mod store;
mod supervisor;
mod upgrade;
