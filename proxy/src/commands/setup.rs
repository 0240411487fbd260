//! What helps to set up a site.

pub(super) mod preview;
