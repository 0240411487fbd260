//! Leases: of several nodes one does something, and only that one writes what comes of it.

use std::time::Duration;

use redis::FromRedisValue as _;

use super::{Redis, Script};
use crate::store::{StoreError, redis::keys};

pub(in crate::store::redis) static SCRIPT: Script = Script::new(include_str!("../lua/lease.lua"));

impl Redis {
    /// Takes or renews the lease on a name, for so long. False: another one has it.
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn hold(&self, name: &str, owner: &str, keep: Duration) -> Result<bool, StoreError> {
        self.lease(name, "hold", owner, &[ms(keep).as_bytes()]).await
    }

    /// Puts a value under a name, as [`Redis::put`], if the lease on it is the owner's still. False: it is not, and nothing
    /// was written.
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn put_held(&self, name: &str, owner: &str, value: &[u8], keep: Duration) -> Result<bool, StoreError> {
        self.lease(name, "put", owner, &[value, ms(keep).as_bytes()]).await
    }

    /// Gives the lease on a name back. False: it was another's already, and stays so.
    ///
    /// # Errors
    /// If the store did not answer. The lease ends by itself then.
    pub async fn free(&self, name: &str, owner: &str) -> Result<bool, StoreError> {
        self.lease(name, "free", owner, &[]).await
    }

    async fn lease(&self, name: &str, asked: &str, owner: &str, more: &[&[u8]]) -> Result<bool, StoreError> {
        let (slot, key) = keys::shared(&self.prefix, name);
        let mut call = SCRIPT.call(&[format!("{key}:lease"), key]);
        call.arg(asked).arg(owner).arg(more);
        let answer = self.run_script(slot, &SCRIPT, &call).await?;
        let done = i64::from_redis_value(answer).map_err(|_| StoreError::Away(format!("{name} is no lease")))?;
        Ok(done == 1)
    }
}

fn ms(keep: Duration) -> String {
    // The server takes no more than a signed number that the present still fits into.
    u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).min(u64::MAX >> 12).to_string()
}
