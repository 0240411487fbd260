//! What helps to set up a site, as its owner runs it.

mod cutover;
mod init;
mod preview;
mod site;
