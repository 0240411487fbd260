//! What operators set in place of the file while a crowd is at the door: one limit after another, through one node after
//! another, by the API.

use std::{array, time::Duration};

use serde::Serialize;
use tokio::{
    runtime,
    time::{sleep, sleep_until},
};

use super::api::{Api, Made, Shown};
use crate::{
    Failed,
    attack::{
        clock::{Clock, SECOND_US, Us},
        fleet::Fleet,
        limits::{Limits, in_force::InForce},
    },
    simulate::Promise,
};

/// What is changed, in turn.
const NAMES: [&str; 3] = ["release_per_minute", "burst", "max_active"];
/// A limit goes down from what it is in the file, in so many changes of it, each by so many thousandths of that, and up again.
const STEPS: u32 = 8;
const STEP_PERMILLE: u32 = 25;
/// The least that is set, as a share of the file's.
pub(crate) const LEAST_SHARE: f64 = 0.8;
/// A change is at every node within this, from the answer of the one that it was made through.
const EVERYWHERE_WITHIN_US: Us = SECOND_US;
/// A node that does not show a change by then is not waited for.
const GIVEN_UP_AFTER_US: Us = 10 * SECOND_US;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Changes that are to be made.
pub(crate) struct Overrides {
    count: u32,
    /// What the judge knows of the file.
    known: Limits,
    /// What it says: something else if a fault is planted.
    planted: Limits,
    api: Api,
}

/// Changes that were made or tried.
pub(crate) struct Tried {
    api: Api,
    asked: u32,
    in_force: InForce,
    made: Vec<Made>,
    /// From the answer to the moment at which the last node showed it.
    took_us: Vec<Us>,
    late: Vec<String>,
    refused: Vec<String>,
    first: Shown,
    last: Shown,
}

/// What has become of them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Overridden {
    asked: u32,
    made: usize,
    /// From the answer to the last node.
    p50_ms: f64,
    p99_ms: f64,
    most_ms: f64,
    /// Changes that were not at every node in time, and where.
    late: Vec<String>,
    /// Changes that were not made, and why.
    refused: Vec<String>,
    /// By how much the revision has risen.
    revisions: u64,
    /// Nodes at which the last change is not in force.
    elsewhere: Vec<String>,
    /// Changes without a record, or with several.
    unrecorded: usize,
    /// Records of changes that were not answered as made.
    unasked: usize,
}

impl Overrides {
    /// So many, at the nodes of a fleet with the operators' API, whose file says what was planted.
    ///
    /// # Errors
    /// If there are no tokens for those who make them.
    pub(crate) fn new(count: u32, known: Limits, planted: Limits, fleet: &Fleet) -> Result<Self, Failed> {
        Ok(Self { count, known, planted, api: Api::of(fleet)? })
    }

    /// Makes them one after another between two moments, as evenly as their answers allow, on the thread that calls this: on
    /// those of the crowd operators would stand behind everybody who is late.
    ///
    /// # Errors
    /// If a node cannot be asked at all.
    pub(crate) fn run(self, clock: Clock, between_us: (Us, Us)) -> Result<Tried, Failed> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.make(clock, between_us))
    }

    async fn make(self, clock: Clock, (from_us, until_us): (Us, Us)) -> Result<Tried, Failed> {
        let Self { count, known, planted, mut api } = self;
        let first = api.queue(0).await?;
        let (in_force, last) = (InForce::always(known), first.clone());
        let (made, took_us, late, refused) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut tried = Tried { api, asked: count, in_force, made, took_us, late, refused, first, last };
        // How often each limit has been changed.
        let mut turns = [0; NAMES.len()];
        for change in 0..count {
            sleep_until(clock.at(from_us + (until_us - from_us) * Us::from(change) / Us::from(count))).await;
            let which = change as usize % NAMES.len();
            let mut next = turns;
            next[which] += 1;
            let set = (NAMES[which], shares(planted, next)[which]);
            let to = [known, planted].map(|limits| in_force_after(limits, next));
            if tried.one(change, set, to, clock).await? {
                turns = next;
            }
        }
        Ok(tried)
    }
}

impl Tried {
    /// Makes one change, and waits until every node shows it. Whether it was made.
    async fn one(
        &mut self,
        change: u32,
        set: (&str, u32),
        [known, planted]: [Limits; 2],
        clock: Clock,
    ) -> Result<bool, Failed> {
        let node = change as usize % self.api.nodes();
        let what = format!("{} = {} at node {node}", set.0, set.1);
        let asked_us = clock.now_us();
        let made = match self.api.set(node, &self.last.tag, set, &format!("attack {change}")).await {
            Ok(made) => made,
            Err(error) => {
                self.refused.push(format!("{what}: {error}"));
                // It may have been made all the same.
                let now = self.api.queue(node).await?;
                let is_made = now.number() > self.last.number();
                if is_made {
                    self.in_force.change(known, asked_us, clock.now_us());
                    self.last = now;
                }
                return Ok(is_made);
            }
        };
        let answered_us = clock.now_us();
        self.in_force.change(known, asked_us, answered_us);
        self.last = Shown::of(made.shown.tag.clone(), &planted);
        self.made.push(made);
        match self.until_everywhere(clock, answered_us + GIVEN_UP_AFTER_US).await {
            Ok(shown_us) => {
                let took_us = shown_us - answered_us;
                self.took_us.push(took_us);
                if took_us > EVERYWHERE_WITHIN_US {
                    self.late.push(format!("{what}: after {:.3} s", took_us as f64 / SECOND_US as f64));
                }
            }
            Err(node) => self.late.push(format!("{what}: {node}")),
        }
        Ok(true)
    }

    /// When the last node showed the last change; or what one of them shows instead, for too long.
    async fn until_everywhere(&mut self, clock: Clock, given_up_us: Us) -> Result<Us, String> {
        for node in 0..self.api.nodes() {
            while let Some(instead) = self.shows_instead(node).await {
                if clock.now_us() > given_up_us {
                    return Err(instead);
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(clock.now_us())
    }

    /// What a node shows in place of the last change.
    async fn shows_instead(&mut self, node: usize) -> Option<String> {
        match self.api.queue(node).await {
            Ok(shown) if shown == self.last => None,
            Ok(shown) => Some(format!("node {node} shows {shown:?}")),
            Err(error) => Some(format!("node {node}: {error}")),
        }
    }

    /// Looks at the end whether the last change is in force, and at the audit logs. Gives what was in force when as well.
    ///
    /// # Errors
    /// If a node cannot be asked.
    pub(crate) async fn check(mut self) -> Result<(InForce, Overridden), Failed> {
        let (mut elsewhere, mut records) = (Vec::new(), Vec::new());
        for node in 0..self.api.nodes() {
            elsewhere.extend(self.shows_instead(node).await);
            records.extend(self.api.records(node).await?);
        }
        let of = |made: &&Made| records.iter().filter(|record| made.is_in(record)).count();
        let unrecorded = self.made.iter().filter(|made| of(made) != 1).count();
        let unasked = records.iter().filter(|record| !self.made.iter().any(|made| made.is_in(record))).count();
        self.took_us.sort_unstable();
        let at = |percent: usize| {
            let rank = (self.took_us.len() * percent).div_ceil(100).saturating_sub(1);
            self.took_us.get(rank).map_or(0.0, |&us| us as f64 / 1e3)
        };
        let (first, last) = (self.first.number().unwrap_or(0), self.last.number().unwrap_or(0));
        let overridden = Overridden {
            asked: self.asked,
            made: self.made.len(),
            p50_ms: at(50),
            p99_ms: at(99),
            most_ms: at(100),
            late: self.late,
            refused: self.refused,
            revisions: last.saturating_sub(first),
            elsewhere,
            unrecorded,
            unasked,
        };
        Ok((self.in_force, overridden))
    }
}

impl Overridden {
    pub(crate) fn judge(&self) -> Vec<Promise> {
        let Self { asked, made, p50_ms, p99_ms, most_ms, revisions, unrecorded, unasked, .. } = self;
        let such_as = |all: &[String]| match all.first() {
            Some(first) => format!("; {} such as {first}", all.len()),
            None => String::new(),
        };
        let is_whole = usize::try_from(*asked) == Ok(*made) && u64::from(*asked) == *revisions;
        let wrong = [&self.refused[..], &self.elsewhere[..]].concat();
        vec![
            Promise {
                name: "overrides: each is at every node within 1 s",
                held: self.late.is_empty(),
                found: format!("p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms, most {most_ms:.0} ms{}", such_as(&self.late)),
            },
            Promise {
                name: "overrides: none is lost, and the last one is in force",
                held: is_whole && wrong.is_empty(),
                found: format!("{made} of {asked} made, {revisions} revisions{}", such_as(&wrong)),
            },
            Promise {
                name: "overrides: each has one record in the audit logs",
                held: *unrecorded == 0 && *unasked == 0,
                found: format!("{unrecorded} of {made} without it, {unasked} records of others"),
            },
        ]
    }
}

/// What is set after so many changes of each limit.
fn shares(of: Limits, turns: [u32; NAMES.len()]) -> [u32; NAMES.len()] {
    let Limits { release_per_minute, burst, seats, .. } = of;
    let limits = [release_per_minute, burst, seats];
    array::from_fn(|which| {
        let steps = STEPS - STEPS.abs_diff(turns[which] % (2 * STEPS));
        let less = u64::from(limits[which]) * u64::from(STEP_PERMILLE * steps) / 1_000;
        limits[which] - u32::try_from(less).unwrap_or(0)
    })
}

/// What is in force then: a burst is never more than the rate.
fn in_force_after(of: Limits, turns: [u32; NAMES.len()]) -> Limits {
    let [release_per_minute, burst, seats] = shares(of, turns);
    Limits { release_per_minute, burst: burst.min(release_per_minute), seats, ..of }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::report::broken;

    const FILE: Limits = Limits {
        release_per_minute: 12_000,
        burst: 11_000,
        seats: 2_500,
        weights: None,
        session_idle_s: 10,
        claim_within_s: 45,
        heard_within_us: 600_000,
    };

    #[test]
    fn limits_go_down_by_a_fifth_and_up_again() {
        assert_eq!(in_force_after(FILE, [0; 3]), FILE);
        assert_eq!(shares(FILE, [1, 0, 2]), [11_700, 11_000, 2_375]);
        assert_eq!(shares(FILE, [8, 8, 16]), [9_600, 8_800, 2_500]);
        assert_eq!(in_force_after(FILE, [8, 0, 0]).burst, 9_600);
        let least = f64::from(FILE.release_per_minute) * LEAST_SHARE;
        let rates = (0..200).map(|turn| shares(FILE, [turn; 3])[0]);
        assert!(rates.clone().zip(rates.skip(1)).all(|(one, next)| one != next && f64::from(one) >= least));
    }

    #[track_caller]
    fn finds(overridden: &Overridden, wrong: &[&str]) {
        let promises = overridden.judge();
        let found = broken(&promises);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), wrong, "{found:#?}");
    }

    #[test]
    fn changes_that_are_late_or_lost_or_without_a_record_are_found() {
        const LATE: &str = "overrides: each is at every node within 1 s";
        const LOST: &str = "overrides: none is lost, and the last one is in force";
        const UNRECORDED: &str = "overrides: each has one record in the audit logs";
        let sound = || Overridden { asked: 200, made: 200, revisions: 200, ..Overridden::default() };
        let one = || vec!["max_active = 2000 at node 1".to_owned()];
        finds(&sound(), &[]);
        finds(&Overridden { late: one(), ..sound() }, &[LATE]);
        finds(&Overridden { made: 199, refused: one(), ..sound() }, &[LOST]);
        finds(&Overridden { revisions: 199, ..sound() }, &[LOST]);
        finds(&Overridden { elsewhere: one(), ..sound() }, &[LOST]);
        finds(&Overridden { unrecorded: 1, ..sound() }, &[UNRECORDED]);
        finds(&Overridden { unasked: 1, ..sound() }, &[UNRECORDED]);
    }
}
