//! What every test stands on: a real browser whose clock runs as fast as it can, a site for it, and what a visit showed.

pub(crate) mod browser;
pub(crate) mod site;
pub(crate) mod visit;
