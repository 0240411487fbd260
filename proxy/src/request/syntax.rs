//! The bytes of a request: what may stand in them, and what they say.

pub(crate) mod list;
pub(crate) mod mend;
pub(crate) mod scan;
pub(crate) mod strict;
pub(crate) mod wire;
