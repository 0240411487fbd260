//! What helps to set up a site, as its owner runs it.

mod preview;
