//! `[tls]` of both kinds of file, and the certificates that they name.

mod chain;
pub(crate) mod node;
pub(crate) mod pair;
pub(super) mod pem;
pub(crate) mod tenant;
