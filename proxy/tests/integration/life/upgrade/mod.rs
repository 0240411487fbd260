//! Another process of the program takes the place of the one that runs, and no client notices.

mod load;
mod refused;
mod state;
