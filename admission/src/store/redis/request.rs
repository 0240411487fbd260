//! A step as the script's arguments.
//!
//! A batch that would keep the server busy for long is sent as several calls, so that another line on the same
//! server never waits for more than a few milliseconds. Only marks are split off: the calls before the last one
//! merge and mark, the last one hands out numbers, calls and answers. All of it makes one step, and may be sent
//! again from the first call on after any of them failed.

use std::{collections::HashSet, mem};

use redis::Cmd;
use sluice_config::Mode;

use super::{
    keys::Keys,
    marks::{Group, groups},
    script::SHA,
};
use crate::line::{Batch, Control, Known, KnownLane, LaneRule, Newcomer, Override, Rules};

/// Most work in one call besides newcomers and asks, of which the caller's batch sets the bound. About a
/// microsecond of server time each.
const COST_MAX: usize = 4_000;
/// What single marks cost, measured.
const COST_SEAT: usize = 3;
const COST_ENDED: usize = 3;
const COST_SEEN: usize = 2;
const COST_AWAY: usize = 12;
/// A piece costs as much as so many bytes of it.
const PIECE_BYTES_FREE: usize = 256;

/// How the script is to read the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// `None`: the server's own.
    pub(super) wall_ms: Option<u64>,
    pub(super) slack_ms: u64,
    /// Which run of the store this is; `None`: the script asks the server.
    pub(super) run: Option<u64>,
}

/// The calls that make one step, in their order.
pub(super) fn sync(keys: &Keys, clock: Clock, rules: &Rules, batch: &Batch) -> Vec<Cmd> {
    let parts = split(batch);
    let (tops, known_tops) = (batch.tops(), batch.known.tops());
    let slots = slots(batch);
    let last = parts.len() - 1;
    let call = |(i, part): (usize, Part)| {
        let mut cmd = begin(keys, "sync", clock, rules);
        // What stands in the first call is merged already; the others need tell little.
        let known = &batch.known;
        let Known { epoch, clock_ms, ended_ms, revision, .. } = *known;
        let rest = Known { epoch, clock_ms, ended_ms, revision, ..Known::default() };
        put_known(&mut cmd, if i == 0 { known } else { &rest });
        let newcomers = if i == last { batch.newcomers.as_slice() } else { &[] };
        cmd.arg(u8::from(i == 0)).arg(u8::from(i == last));
        put_list(&mut cmd, up_to_last(&tops));
        put_list(&mut cmd, if i == 0 { up_to_last(&known_tops) } else { &[] });
        cmd.arg(slots).arg(batch.newcomers.len()).arg(batch.away_since_ms).arg(u8::from(batch.hush));
        put_pairs(&mut cmd, if i == 0 { &known.calls } else { &[] });
        part.put(&mut cmd);
        if i == last {
            cmd.arg(batch.changes.len());
            for change in &batch.changes {
                cmd.arg(change.id).arg(change.from.number).arg(change.from.id);
                put_set(&mut cmd, &change.set);
                put_texts(&mut cmd, &change.set, &change.reason, &change.actor);
            }
            put_newcomers(&mut cmd, newcomers);
            cmd.arg(batch.asks.len());
            for ask in &batch.asks {
                cmd.arg(ask.number).arg(u8::from(ask.enter));
            }
        }
        cmd
    };
    parts.into_iter().enumerate().map(call).collect()
}

/// In the first how many slots there are lanes of which a batch has numbers.
pub(super) fn slots(batch: &Batch) -> usize {
    let (tops, known_tops) = (batch.tops(), batch.known.tops());
    up_to_last(&tops).len().max(up_to_last(&known_tops).len()).max(batch.known.lanes.len()).max(1)
}

/// Without the slots behind the last one of which there are numbers.
fn up_to_last(tops: &[u64]) -> &[u64] {
    &tops[..tops.iter().rposition(|&top| top > 0).map_or(0, |slot| slot + 1)]
}

/// A call that only reads the line as of its last step.
pub(super) fn look(keys: &Keys, rules: &Rules) -> Cmd {
    plain(keys, "look", Clock { wall_ms: None, slack_ms: 0, run: None }, rules)
}

/// A call that reads what happened in each minute from this one on.
pub(super) fn counts(keys: &Keys, since_minute: u64) -> Cmd {
    reading(keys, "counts", since_minute)
}

/// A call that reads what is known of a number.
pub(super) fn find(keys: &Keys, number: u64) -> Cmd {
    reading(keys, "find", number)
}

fn reading(keys: &Keys, what: &str, of: u64) -> Cmd {
    // No rule is of any account.
    let rules = Rules {
        release_per_minute: 1,
        burst: 1,
        max_active: None,
        max_waiting: 1,
        mode: Mode::Hold,
        claim_within_ms: 1,
        return_within_ms: 1,
        seat_ms: 1,
        lanes: Vec::new(),
    };
    let mut cmd = plain(keys, what, Clock { wall_ms: None, slack_ms: 0, run: None }, &rules);
    cmd.arg(of);
    cmd
}

/// A call that begins a new epoch.
pub(super) fn reset(keys: &Keys, clock: Clock, rules: &Rules) -> Cmd {
    plain(keys, "reset", clock, rules)
}

fn plain(keys: &Keys, what: &str, clock: Clock, rules: &Rules) -> Cmd {
    let mut cmd = begin(keys, what, clock, rules);
    put_known(&mut cmd, &Known::default());
    cmd
}

fn begin(keys: &Keys, what: &str, clock: Clock, rules: &Rules) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(SHA.as_str()).arg(keys.names.len()).arg(&keys.names).arg(what);
    put_option(&mut cmd, clock.wall_ms);
    cmd.arg(clock.slack_ms);
    put_option(&mut cmd, clock.run);
    cmd.arg(rules.release_per_minute).arg(rules.burst);
    put_option(&mut cmd, rules.max_active.map(u64::from));
    cmd.arg(rules.max_waiting).arg(mode_code(rules.mode));
    cmd.arg(rules.claim_within_ms).arg(rules.return_within_ms).arg(rules.seat_ms);
    cmd.arg(rules.lanes.len());
    for LaneRule { lane, weight } in &rules.lanes {
        cmd.arg(lane.code()).arg(*weight);
    }
    cmd
}

/// Modes on the wire, which are part of the layout.
pub(super) fn mode_code(mode: Mode) -> u8 {
    match mode {
        Mode::Open => 0,
        Mode::Auto => 1,
        Mode::Hold => 2,
        Mode::Drain => 3,
        Mode::Closed => 4,
    }
}

fn put_known(cmd: &mut Cmd, known: &Known) {
    cmd.arg(known.epoch);
    put_option(cmd, known.clock_ms);
    cmd.arg(known.steps).arg(known.life);
    put_option(cmd, known.ended_ms);
    cmd.arg(known.revision.number).arg(known.revision.id);
    cmd.arg(known.lanes.len());
    for KnownLane { lane, issued, head, floor, gaps } in known.lanes.iter() {
        cmd.arg(lane.code()).arg(*issued).arg(*head).arg(*floor);
        put_pairs(cmd, gaps);
    }
    cmd.arg(u8::from(known.control.is_some()));
    if let Some(Control { revision, set, reason, actor, since_ms }) = known.control.as_deref() {
        cmd.arg(revision.number).arg(revision.id);
        put_set(cmd, set);
        cmd.arg(*since_ms);
        put_texts(cmd, set, reason, actor);
    }
}

/// In the order of `SET` in control.lua.
fn put_set(cmd: &mut Cmd, set: &Override) {
    for number in [set.release_per_minute, set.burst, set.max_active, set.max_waiting] {
        put_option(cmd, number.map(|number| number.get().into()));
    }
    put_option(cmd, set.mode.map(|mode| u64::from(mode_code(mode)) + 1));
    put_option(cmd, set.until_ms);
}

fn put_texts(cmd: &mut Cmd, set: &Override, reason: &str, actor: &str) {
    cmd.arg(set.message.as_deref().unwrap_or_default()).arg(reason).arg(actor);
}

fn put_option(cmd: &mut Cmd, value: Option<u64>) {
    match value {
        Some(value) => cmd.arg(value),
        None => cmd.arg(""),
    };
}

fn put_pairs<T: redis::ToRedisArgs + Copy>(cmd: &mut Cmd, pairs: &[(u64, T)]) {
    cmd.arg(pairs.len());
    for &(a, b) in pairs {
        cmd.arg(a).arg(b);
    }
}

fn put_list(cmd: &mut Cmd, numbers: &[u64]) {
    cmd.arg(numbers.len()).arg(numbers);
}

/// Neighbours who want the same go together; slips are eight bytes.
fn put_newcomers(cmd: &mut Cmd, newcomers: &[Newcomer]) {
    let mut seen = HashSet::with_capacity(newcomers.len());
    let repeats = !newcomers.iter().all(|n| seen.insert(n.id));
    let kind = |n: &Newcomer| (n.hold_ms, n.enter, n.walk_in, n.lane, n.arrived_ms > 0);
    let alike = |a: &Newcomer, b: &Newcomer| kind(a) == kind(b);
    cmd.arg(u8::from(repeats)).arg(newcomers.chunk_by(alike).count());
    for group in newcomers.chunk_by(alike) {
        let (hold_ms, enter, walk_in, lane, arrived) = kind(&group[0]);
        cmd.arg(hold_ms).arg(u8::from(enter)).arg(u8::from(walk_in)).arg(lane.code());
        cmd.arg(u8::from(arrived)).arg(group.len());
        for newcomer in group {
            cmd.arg(&newcomer.id.to_be_bytes());
        }
        if arrived {
            cmd.arg(group.len());
            for newcomer in group {
                cmd.arg(newcomer.arrived_ms);
            }
        }
    }
}

/// The marks of one call.
#[derive(Default)]
struct Part {
    known_due: Vec<(u64, u64)>,
    known_inside: Vec<(u64, u64)>,
    admitted: Vec<u64>,
    ended: Vec<u64>,
    inside: Vec<u64>,
    groups: Vec<Group>,
    away: Vec<u64>,
    cost: usize,
}

impl Part {
    fn put(&self, cmd: &mut Cmd) {
        put_pairs(cmd, &self.known_due);
        put_pairs(cmd, &self.known_inside);
        put_list(cmd, &self.admitted);
        put_list(cmd, &self.ended);
        put_list(cmd, &self.inside);
        cmd.arg(self.groups.len());
        for group in &self.groups {
            cmd.arg(group.hold_ms).arg(group.slot);
            put_list(cmd, &group.alone);
            cmd.arg(group.pieces.len());
            for piece in &group.pieces {
                cmd.arg(piece.byte).arg(&piece.bits[..]);
            }
        }
        put_list(cmd, &self.away);
    }

    fn group(&mut self, hold_ms: u32, slot: usize) -> &mut Group {
        if self.groups.last().is_none_or(|g| (g.hold_ms, g.slot) != (hold_ms, slot)) {
            self.groups.push(Group { hold_ms, slot, ..Group::default() });
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }
}

/// Parts in the making. Filled in the order in which a step takes things in, so that a split changes nothing.
#[derive(Default)]
struct Parts {
    full: Vec<Part>,
    open: Part,
}

impl Parts {
    /// The part that takes something of this cost.
    fn with_room(&mut self, cost: usize) -> &mut Part {
        if self.open.cost > 0 && self.open.cost + cost > COST_MAX {
            self.full.push(mem::take(&mut self.open));
        }
        self.open.cost += cost;
        &mut self.open
    }
}

fn split(batch: &Batch) -> Vec<Part> {
    let mut parts = Parts::default();
    for &seat in &batch.known.inside {
        parts.with_room(COST_SEAT).known_inside.push(seat);
    }
    for &seat in &batch.known.due {
        parts.with_room(COST_SEAT).known_due.push(seat);
    }
    for &number in &batch.admitted {
        parts.with_room(COST_SEAT).admitted.push(number);
    }
    for &number in &batch.inside {
        parts.with_room(COST_SEAT).inside.push(number);
    }
    for &number in &batch.ended {
        parts.with_room(COST_ENDED).ended.push(number);
    }
    let asks = batch.asks.iter().map(|ask| (ask.number, ask.hold_ms));
    let seen = batch.seen.iter().map(|seen| (seen.number, seen.hold_ms));
    for Group { hold_ms, slot, alone, pieces } in groups(seen.chain(asks)) {
        for number in alone {
            parts.with_room(COST_SEEN).group(hold_ms, slot).alone.push(number);
        }
        for piece in pieces {
            let cost = COST_SEEN + piece.bits.len() / PIECE_BYTES_FREE;
            parts.with_room(cost).group(hold_ms, slot).pieces.push(piece);
        }
    }
    let mut away = batch.away.clone();
    away.sort_unstable();
    for number in away {
        parts.with_room(COST_AWAY).away.push(number);
    }
    parts.full.push(parts.open);
    parts.full
}
