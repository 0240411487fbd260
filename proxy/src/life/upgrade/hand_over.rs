//! The older process of an upgrade.

use std::{io, process::Child, sync::Arc, time::Duration};

use sluice_admission::store::{Lent, lent};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
    time::timeout,
};

use super::{LET_GO_WITHIN, Newer, OLDER_MAX, Older, PREPARED_WITHIN, Program, READY_WITHIN, Refused, link::Link};
use crate::{
    life::{Life, Stops},
    lines::{Handing, Lines},
    server::supervisor,
};

/// Catches SIGUSR2 from now on; before, it would end the process. Needs a tokio context.
///
/// # Errors
/// If the system refuses.
pub(crate) fn upgrades() -> io::Result<Signal> {
    signal(SignalKind::user_defined2())
}

/// Has another process of the program become the node. This one has to serve its last clients, and end.
///
/// # Errors
/// If that has not come about: everything is as it was, and it is logged and counted.
pub(crate) async fn hand_over(life: &mut Life, program: &Program, stops: &mut Stops) -> Result<(), Refused> {
    tracing::info!(program = %program.path().display(), "upgrade: a new process is started");
    let refused = match Newcomer::start(life, program) {
        Ok(mut newcomer) => match newcomer.follow(life, stops).await {
            Ok(()) => {
                tracing::info!(pid = newcomer.child.id(), "upgrade: the new process serves; this one ends");
                newcomer.becomes_the_node(life);
                return Ok(());
            }
            Err(refused) => newcomer.end(life, refused).await,
        },
        Err(refused) => refused,
    };
    // Said before it is counted, so that a reader of the count finds the reason.
    tracing::error!("upgrade refused; this process goes on: {refused}");
    life.node.upgrade_refused.store(Some(Arc::new(refused.to_string())));
    life.node.metrics.upgrades_refused.inc();
    Err(refused)
}

/// The process with which all others of its name space end.
const FIRST: u32 = 1;

/// The newer process, and what it has been given.
struct Newcomer {
    child: Child,
    link: Link,
    lines: Option<Handing>,
}

impl Newcomer {
    fn start(life: &Life, program: &Program) -> Result<Self, Refused> {
        if std::process::id() == FIRST {
            return Err(Refused::Container);
        }
        let older = life.older.count();
        if older >= OLDER_MAX {
            return Err(Refused::Older(older));
        }
        let failed = |source| Refused::Start { program: program.path().display().to_string(), source };
        let (link, theirs) = Link::pair().map_err(failed)?;
        let child = program.start(theirs).map_err(failed)?;
        Ok(Self { child, link, lines: None })
    }

    /// Waits until it is ready, gives it what only one process can have, and lets it serve.
    async fn follow(&mut self, life: &mut Life, stops: &mut Stops) -> Result<(), Refused> {
        let ready = async {
            self.introduce(life).await.map_err(Refused::Astray)?;
            self.hear().await
        };
        let Newer::Ready { version, lines } = within("ready", READY_WITHIN, stops, ready).await? else {
            return Err(out_of_turn());
        };
        let local = match life.node.store() {
            Lines::Embedded(_) if lines != lent::VERSION => {
                return Err(Refused::Lines { version, found: lines, known: lent::VERSION });
            }
            Lines::Embedded(local) => Some(local),
            Lines::Redis(..) => None,
        };
        life.duties.end().await;
        if let Some(local) = local {
            let let_go = timeout(LET_GO_WITHIN, local.let_go()).await;
            let let_go = let_go.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            self.lines = Some(let_go.map_err(Refused::LetGo)?);
        }
        let prepared = async {
            self.link.say(&Older::Lines).await.map_err(Refused::Astray)?;
            self.hear().await
        };
        let Newer::Prepared = within("prepared", PREPARED_WITHIN, stops, prepared).await? else {
            return Err(out_of_turn());
        };
        // From here on there is nothing to wait for, so this process is not asked to end in between.
        supervisor::is_main(self.child.id()).await;
        let serves = self.link.say(&Older::Serve).await.map_err(Refused::Astray);
        if serves.is_err() {
            supervisor::is_main(std::process::id()).await;
        }
        serves
    }

    /// Says who asks, and hands the listeners over.
    async fn introduce(&mut self, life: &Life) -> io::Result<()> {
        let listening = life.listeners.all();
        let listeners = listening.iter().map(|one| (one.purpose, one.configured)).collect();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.link.say(&Older::Listeners { version, older: life.older.count(), listeners }).await?;
        for one in listening {
            self.link.hand(&one.listener).await?;
        }
        Ok(())
    }

    async fn hear(&mut self) -> Result<Newer, Refused> {
        match self.link.hear().await {
            Ok(Newer::Failed { why }) => Err(Refused::Failed(why)),
            Ok(word) => Ok(word),
            Err(error) => Err(Refused::Astray(error)),
        }
    }

    /// Asks it for the lines from now on.
    fn becomes_the_node(self, life: &mut Life) {
        let stream = self.link.into_stream();
        match self.lines {
            Some(lines) => lines.to(Lent::over(stream)),
            // By its end the newer process hears that this one has ended.
            None => life.newer = Some(stream),
        }
    }

    /// Ends it, and takes back what it was given. Gives why, as far as that is known now.
    async fn end(self, life: &mut Life, refused: Refused) -> Refused {
        let mut child = self.child;
        let ended = spawn_blocking(move || {
            // It may have ended by itself.
            let _ = child.kill();
            child.wait()
        });
        let ended = ended.await.map_err(io::Error::other).flatten();
        // Its lock on the state directory is gone with it.
        drop(self.lines);
        if let Err(error) = life.duties.begin() {
            tracing::error!(%error, "upgrade: operators are not answered any more");
        }
        match (refused, ended) {
            // It has said nothing, but how it ended says something.
            (Refused::Astray(error), Ok(status)) if is_end(&error) => Refused::Ended(status.to_string()),
            (refused, _) => refused,
        }
    }
}

/// Waits for the newer process, unless this one is asked to end.
async fn within(
    what: &'static str,
    within: Duration,
    stops: &mut Stops,
    word: impl Future<Output = Result<Newer, Refused>>,
) -> Result<Newer, Refused> {
    tokio::select! {
        word = timeout(within, word) => word.unwrap_or(Err(Refused::Late { what, within })),
        () = stops.asked() => Err(Refused::Asked),
    }
}

/// The other end is gone, whether it had heard everything or not.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn out_of_turn() -> Refused {
    Refused::Astray(io::Error::new(io::ErrorKind::InvalidData, "a word out of turn"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_process_that_says_nothing_is_waited_for_no_longer_than_the_bound() {
        let mut stops = Stops::catch().unwrap();
        let began = tokio::time::Instant::now();
        let refused = within("ready", READY_WITHIN, &mut stops, pending()).await.unwrap_err();
        assert_eq!(refused.to_string(), "the new process was not ready within 30 s");
        assert_eq!(began.elapsed(), READY_WITHIN);
    }
}
