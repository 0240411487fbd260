//! The board that the nodes of a fleet share: what each says of itself, and what all must know soon, each for a while.
//! Beside it values under names, and leases on them.
//!
//! None of it belongs to a line, and all is lost with the store: the node that put something up puts it up again.

pub(super) mod lease;

use std::{fmt::Write as _, sync::OnceLock, time::Duration};

use redis::{Cmd, FromRedisValue as _, Value};

use super::{Fault, Redis, keys};
use crate::store::StoreError;

pub(super) static SCRIPT: Script = Script::new(include_str!("lua/board.lua"));

/// A script of what is shared, apart from that of the lines.
pub(super) struct Script {
    pub(super) text: &'static str,
    /// What EVALSHA calls it by: the SHA-1 of the text, in hexadecimal.
    sha: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, sha: OnceLock::new() }
    }

    /// A call with these keys; arguments follow.
    fn call(&self, keys: &[String]) -> Cmd {
        let sha = self.sha.get_or_init(|| {
            let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, self.text.as_bytes());
            digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
                // Writing to a String cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        });
        let mut call = redis::cmd("EVALSHA");
        call.arg(sha).arg(keys.len()).arg(keys);
        call
    }
}

/// Something on a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about: the next one of this name takes its place.
    pub name: String,
    /// What it says.
    pub text: String,
    /// How long it is there yet.
    pub keep: Duration,
}

/// A board as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// What is on it; those that end first come first.
    pub notes: Vec<Note>,
    /// How many of those that were to be put up found no room.
    pub refused: u64,
}

impl Redis {
    /// Puts notes up on a board, and reads all of it. It has room for `most`; at the bound only notes whose name is there
    /// already are taken.
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn board(&self, name: &str, notes: &[Note], most: usize) -> Result<Board, StoreError> {
        let (slot, key) = keys::shared(&self.prefix, name);
        let mut call = SCRIPT.call(&[format!("{key}:ends"), format!("{key}:notes")]);
        call.arg(most);
        for Note { name, text, keep } in notes {
            call.arg(name).arg(text).arg(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX >> 12));
        }
        let answer = self.run_script(slot, &SCRIPT, &call).await?;
        read(answer).ok_or_else(|| StoreError::Away(format!("{key} is no board")))
    }

    /// Makes a call of a script, which the server may have forgotten.
    async fn run_script(&self, slot: u16, script: &Script, call: &Cmd) -> Result<Value, StoreError> {
        let answer = match self.send(slot, call).await {
            Err(Fault::NoScript) => {
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(script.text);
                self.send(slot, &load).await.map_err(unavailable)?;
                self.send(slot, call).await
            }
            answered => answered,
        };
        answer.map_err(unavailable)
    }

    /// A value that all nodes share under a name; see [`Redis::share`].
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (slot, key) = keys::shared(&self.prefix, name);
        let mut get = redis::cmd("GET");
        get.arg(&key);
        match self.send(slot, &get).await.map_err(unavailable)? {
            Value::BulkString(value) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// Puts a value under a name, in the place of another one, for so long.
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn put(&self, name: &str, value: &[u8], keep: Duration) -> Result<(), StoreError> {
        let (slot, key) = keys::shared(&self.prefix, name);
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(value).arg("PX").arg(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX >> 12));
        self.send(slot, &set).await.map_err(unavailable).map(drop)
    }
}

fn unavailable(fault: Fault) -> StoreError {
    StoreError::Away(fault.into_reason())
}

fn read(answer: Value) -> Option<Board> {
    let Value::Array(answer) = answer else { return None };
    let mut parts = answer.into_iter();
    let mut number = || u64::from_redis_value(parts.next()?).ok();
    let (now_ms, refused) = (number()?, number()?);
    let parts: Vec<Value> = parts.collect();
    let note = |of: &[Value]| {
        let [name, text, until_ms] = of else { return None };
        let until_ms = u64::from_redis_value(until_ms.clone()).ok()?;
        let keep = Duration::from_millis(until_ms.saturating_sub(now_ms));
        let text_of = |value: &Value| String::from_redis_value(value.clone()).ok();
        Some(Note { name: text_of(name)?, text: text_of(text)?, keep })
    };
    let notes = parts.chunks(3).map(note).collect::<Option<_>>()?;
    Some(Board { notes, refused })
}
