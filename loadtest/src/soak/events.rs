//! What is done to the fleet while visitors come and go.

use std::net::SocketAddr;

use crate::{
    Failed,
    attack::{
        clock::{Clock, SECOND_US, Us},
        fleet::Fleet,
        limits::Limits,
    },
    kit::drive::Connection,
};

/// Configs are read anew so often: a few seconds after each minute has begun, so that the store is not lost meanwhile.
const RELOAD_EVERY_US: Us = 60 * SECOND_US;
const FIRST_RELOAD_US: Us = 20 * SECOND_US;
/// The store is lost when so much of the time is over: after memory has settled, and before it is judged.
const LOST_AT: f64 = 0.4;
/// How long it is away.
const AWAY_US: Us = 5 * SECOND_US;
/// How long after it is back it explains errors: nodes look for it again, and the line listens to all of them.
const EXCUSES_US: Us = 15 * SECOND_US;

/// What happened, and what is to happen next.
#[derive(Debug)]
pub(super) struct Events {
    from_us: Us,
    reload_us: Us,
    pub(super) reloads: u64,
    lost_us: Option<Us>,
    back_us: Option<Us>,
    log: Vec<(Us, String)>,
    excused: Vec<(Us, Us)>,
}

impl Events {
    pub(super) fn new(from_us: Us, until_us: Us, has_store: bool) -> Self {
        let lost_us = from_us + crate::simulate::whole((until_us - from_us) as f64 * LOST_AT);
        let lost_us = has_store.then_some(lost_us);
        let reload_us = from_us + FIRST_RELOAD_US;
        Self { from_us, reload_us, reloads: 0, lost_us, back_us: None, log: Vec::new(), excused: Vec::new() }
    }

    /// Does what is due.
    pub(super) fn happen(
        &mut self,
        clock: Clock,
        fleet: &mut Fleet,
        limits: &Limits,
        origin: SocketAddr,
    ) -> Result<(), Failed> {
        let now_us = clock.now_us();
        if now_us >= self.reload_us {
            self.reload_us += RELOAD_EVERY_US;
            self.reloads += 1;
            // Another bound each time, so that there is something to take.
            fleet.reload(limits, &format!("max_waiting = {}\n", 500_000 + self.reloads), origin)?;
            self.tell(now_us, "configs read anew");
        }
        if self.lost_us.is_some_and(|at_us| now_us >= at_us)
            && let Some(store) = &mut fleet.store
        {
            self.lost_us = None;
            self.back_us = Some(now_us + AWAY_US);
            self.excused.push((now_us, now_us + AWAY_US + EXCUSES_US));
            store.end();
            self.tell(now_us, "store ended, with all it held");
        }
        if self.back_us.is_some_and(|at_us| now_us >= at_us)
            && let Some(store) = &mut fleet.store
        {
            self.back_us = None;
            store.begin()?;
            self.tell(now_us, "store started again, empty");
        }
        Ok(())
    }

    fn tell(&mut self, at_us: Us, what: &str) {
        let s = at_us.saturating_sub(self.from_us) / SECOND_US;
        self.log.push((at_us, format!("{what} at {}:{:02}", s / 60, s % 60)));
    }

    pub(super) fn between(&self, from_us: Us, until_us: Us) -> Vec<String> {
        self.log.iter().filter(|event| (from_us..until_us).contains(&event.0)).map(|event| event.1.clone()).collect()
    }

    pub(super) fn excused(&self) -> Vec<(Us, Us)> {
        self.excused.clone()
    }
}

/// How many reloads each node says it has taken.
pub(super) async fn reloads_taken(fleet: &Fleet) -> Result<Vec<u64>, Failed> {
    let mut taken = Vec::new();
    for node in &fleet.nodes {
        let mut connection = Connection::open(node.admin).await?;
        let answer = connection.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let text = String::from_utf8_lossy(answer);
        let line = text.lines().find_map(|line| line.strip_prefix("sluice_config_reloads_total "));
        taken.push(line.and_then(|count| count.trim().parse().ok()).ok_or("no sluice_config_reloads_total")?);
    }
    Ok(taken)
}
