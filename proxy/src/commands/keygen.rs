//! `sluice keygen`

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::rand::{SecureRandom, SystemRandom};

use super::Failed;
use crate::commands::console;

pub(super) fn run() -> Result<(), Failed> {
    console::say(BASE64_STANDARD.encode(secret()?));
    Ok(())
}

/// 32 random bytes.
pub(super) fn secret() -> Result<[u8; 32], Failed> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failed::Because("the system has no randomness to give".into()))?;
    Ok(bytes)
}
