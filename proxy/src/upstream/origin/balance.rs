//! Which server gets a request.

use std::{cell::Cell, sync::Arc};

use sluice_config::Balance;

use super::{room::Turn, server::Server};

/// The servers of an origin, and how the next one is chosen.
#[derive(Debug)]
pub(super) struct Servers {
    members: Box<[Member]>,
    balance: Balance,
    /// Which server is whose turn, for a whole round by weight.
    round: Box<[u16]>,
}

/// A server and its share.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) server: Arc<Server>,
    pub(super) weight: u32,
}

/// What a server is wanted for.
pub(super) struct Pick<'p> {
    /// Whose request it is.
    pub(super) visitor: u64,
    /// The servers that this request has tried, by their ids.
    pub(super) tried: &'p [u64],
    pub(super) in_flight_max: u32,
    /// Not another server than the visitor's own, if that is up.
    pub(super) faithful: bool,
    /// How many requests had their turn before.
    pub(super) turn: usize,
}

impl Servers {
    /// A server that is named twice counts once.
    pub(super) fn new(mut members: Vec<Member>, balance: Balance) -> Self {
        let mut seen = std::collections::HashSet::new();
        members.retain(|member| seen.insert(member.server.id()));
        let round = if balance == Balance::RoundRobin { round(&members) } else { Box::default() };
        Self { members: members.into(), balance, round }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.members.iter().map(|member| &member.server)
    }

    /// A place at a server.
    pub(super) fn pick(&self, pick: &Pick<'_>) -> Option<Turn> {
        // The only server may be tried again.
        let may_again = self.members.len() == 1;
        let is_left = |member: &Member| may_again || !pick.tried.contains(&member.server.id());
        let is_up = |member: &Member| member.server.health.is_up() && is_left(member);
        let chosen = match self.choose(pick, &is_up) {
            Some(chosen) => chosen,
            // A server that is down may not be, and no request is served without one.
            None => self.choose(pick, &is_left).inspect(|chosen| chosen.server.known.panics())?,
        };
        let enter = |member: &Member| member.server.enter(pick.in_flight_max).then(|| Turn::at(member.server.clone()));
        if let Some(turn) = enter(chosen) {
            return Some(turn);
        }
        if self.balance == Balance::Sticky && pick.faithful {
            return None;
        }
        self.members.iter().filter(|member| is_up(member)).find_map(enter)
    }

    /// The server that a visitor keeps to.
    pub(super) fn own(&self, visitor: u64) -> Option<&Arc<Server>> {
        let own = || self.highest(visitor, &|member| member.server.health.is_up());
        (self.balance == Balance::Sticky).then(own).flatten().map(|member| &member.server)
    }

    fn choose(&self, pick: &Pick<'_>, may_be: &dyn Fn(&Member) -> bool) -> Option<&Member> {
        match self.balance {
            _ if self.members.len() == 1 => self.members.first().filter(|only| may_be(only)),
            Balance::LeastInFlight => self.less_busy_of_two(may_be),
            Balance::RoundRobin => self.next_in_turn(pick.turn, may_be),
            Balance::Sticky => self.highest(pick.visitor, may_be),
        }
    }

    /// Two draws find a server that is not busy nearly as well as a look at all of them, and workers that choose at the
    /// same time do not all choose the same one.
    fn less_busy_of_two(&self, may_be: &dyn Fn(&Member) -> bool) -> Option<&Member> {
        let one = self.draw(may_be)?;
        let Some(other) = self.draw(&|member| may_be(member) && !std::ptr::eq(member, one)) else { return Some(one) };
        let busy = |a: &Member, b: &Member| u64::from(a.server.in_flight()) * u64::from(b.weight);
        Some(if busy(other, one) < busy(one, other) { other } else { one })
    }

    /// One of them by weight.
    fn draw(&self, may_be: &dyn Fn(&Member) -> bool) -> Option<&Member> {
        let all = || self.members.iter().filter(|member| may_be(member));
        let sum: u64 = all().map(|member| u64::from(member.weight)).sum();
        let mut at = if sum > 0 { random() % sum } else { 0 };
        // What may be chosen can change between the two looks.
        all()
            .find(|member| {
                let is_it = at < u64::from(member.weight);
                at = at.wrapping_sub(if is_it { 0 } else { member.weight.into() });
                is_it
            })
            .or_else(|| all().next())
    }

    fn next_in_turn(&self, turn: usize, may_be: &dyn Fn(&Member) -> bool) -> Option<&Member> {
        let start = turn % self.round.len().max(1);
        let from_there = self.round[start..].iter().chain(&self.round[..start]);
        from_there.map(|&at| &self.members[usize::from(at)]).find(|member| may_be(member))
    }

    /// Rendezvous hashing: where one server goes or comes, the visitors of the others keep theirs.
    fn highest(&self, visitor: u64, may_be: &dyn Fn(&Member) -> bool) -> Option<&Member> {
        let score = |member: &Member| {
            // Between 0 and 1, neither of them.
            #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
            let at = ((mix(visitor ^ member.server.mark) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            f64::from(member.weight) / -at.ln()
        };
        let all = self.members.iter().filter(|member| may_be(member));
        all.max_by(|a, b| score(a).total_cmp(&score(b)))
    }
}

/// A round in which every server has as many turns as its weight, spread as evenly as they can be.
fn round(members: &[Member]) -> Box<[u16]> {
    let common = members.iter().fold(0, |common, member| divisor(common, member.weight)).max(1);
    let weight = |member: &Member| i64::from(member.weight / common);
    let sum: i64 = members.iter().map(weight).sum();
    let mut credit = vec![0; members.len()];
    let mut round = Vec::new();
    for _ in 0..sum {
        credit.iter_mut().zip(members).for_each(|(credit, member)| *credit += weight(member));
        let Some(next) = (0..members.len()).rev().max_by_key(|&at| credit[at]) else { break };
        credit[next] -= sum;
        round.extend(u16::try_from(next));
    }
    round.into()
}

/// The greatest common divisor.
fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// A server's mark: a hash that is the same in every process.
pub(super) fn mark(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| mix(hash ^ u64::from(byte)))
}

/// Spreads what is nearly equal over all 64 bits (the finisher of SplitMix64).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fair enough for choosing a server, and without a lock.
pub(super) fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(seed());
    }
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        mix(next)
    })
}

/// Another one for each thread.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::thread::current().id())
}
