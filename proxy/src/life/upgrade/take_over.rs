//! The newer process of an upgrade.

use std::{env, io, os::fd::AsFd as _, time::Duration};

use serde::de::DeserializeOwned;
use sluice_admission::store::lent;
use tokio::{net::UnixStream, runtime::Handle, time::timeout};

use super::{FOLLOWS, Newer, OLDER_WITHIN, Older, READY_WITHIN, link::Link};
use crate::transport::listeners::Handed;

/// What another process leaves to this one.
#[derive(Debug)]
pub(crate) struct Heir {
    link: Link,
    run_on: Handle,
    /// How many processes were before that one and serve their last clients.
    older: u32,
}

/// The process before does not say what it has to.
#[derive(Debug, thiserror::Error)]
#[error("the process that is to be followed: {0}")]
pub(crate) struct NotFollowed(#[from] io::Error);

/// The process that this one was started to follow.
pub(crate) fn follows() -> Option<u32> {
    env::var(FOLLOWS).ok()?.parse().ok()
}

impl Heir {
    /// `None`: this process follows no other one.
    ///
    /// # Errors
    /// If it should, and its standard input does not lead to one.
    pub(crate) fn of_this_process(run_on: &Handle) -> Result<Option<(Self, Vec<Handed>)>, NotFollowed> {
        if env::var_os(FOLLOWS).is_none() {
            return Ok(None);
        }
        let end = io::stdin().as_fd().try_clone_to_owned()?;
        let _context = run_on.enter();
        let mut heir = Self { link: Link::over(end)?, run_on: run_on.clone(), older: 0 };
        let Older::Listeners { version, older, listeners } = heir.hear(READY_WITHIN)? else {
            return Err(out_of_turn());
        };
        heir.older = older;
        let taken = run_on.block_on(async {
            let mut handed = Vec::new();
            for was in listeners {
                handed.push(Handed { was: Some(was), listener: heir.link.take().await? });
            }
            Ok::<_, io::Error>(handed)
        });
        tracing::info!(version, listeners = taken.as_ref().map_or(0, Vec::len), "upgrade: follows another process");
        Ok(Some((heir, taken?)))
    }

    /// The config is good, and everything that it names is open. Waits for the state directory.
    ///
    /// # Errors
    /// If the process before is gone or has thought better of it.
    pub(crate) fn ready(&mut self) -> Result<(), NotFollowed> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.say(&Newer::Ready { version, lines: lent::VERSION })?;
        let Older::Lines = self.hear(OLDER_WITHIN)? else { return Err(out_of_turn()) };
        Ok(())
    }

    /// It could serve at once. Waits until it may.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub(crate) fn prepared(&mut self) -> Result<(), NotFollowed> {
        self.say(&Newer::Prepared)?;
        let Older::Serve = self.hear(OLDER_WITHIN)? else { return Err(out_of_turn()) };
        Ok(())
    }

    /// It cannot serve.
    pub(crate) fn failed(&mut self, why: &str) {
        // The process before may be gone, and sees in any case that this one ends.
        let _ = self.say(&Newer::Failed { why: why.to_owned() });
    }

    /// Over which the process before asks for the lines, and how many were before that one.
    pub(crate) fn into_lending(self) -> (UnixStream, u32) {
        (self.link.into_stream(), self.older)
    }

    fn say(&mut self, word: &Newer) -> io::Result<()> {
        self.run_on.block_on(self.link.say(word))
    }

    fn hear<T: DeserializeOwned>(&mut self, within: Duration) -> io::Result<T> {
        let heard = self.run_on.block_on(async { timeout(within, self.link.hear()).await });
        heard.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn out_of_turn() -> NotFollowed {
    io::Error::new(io::ErrorKind::InvalidData, "a word out of turn").into()
}
