//! What helps to set up a site.

pub(super) mod cutover;
mod dns;
pub(super) mod init;
pub(super) mod manual;
pub(super) mod preview;
mod probe;
