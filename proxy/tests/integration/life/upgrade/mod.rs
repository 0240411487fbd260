//! Another process of the program takes the place of the one that runs, and nobody notices.

mod load;
mod refused;
mod state;
