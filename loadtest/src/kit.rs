//! What every measurement is made with: processes, origins, load, and a clock that tells a stalled machine.

pub(crate) mod bare;
pub(crate) mod console;
pub(crate) mod descriptors;
pub(crate) mod drive;
pub(crate) mod origin;
pub(crate) mod process;
pub(crate) mod stalls;
pub(crate) mod template;
