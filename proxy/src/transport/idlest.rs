//! Which connection of a worker has been idle for longest: the one that makes room when all places are taken.
//!
//! Were the newest refused instead, whoever opens as many connections as there are places and says nothing would shut
//! everybody else out. A connection on which nothing has been asked yet goes first, then one between two requests; none that
//! is in the middle of something.
//!
//! Each worker's thread has a list of its own, so nothing here is shared. Connections are in the order in which they became
//! idle, and beginning and ending to be idle is a few writes.

use std::{
    cell::RefCell,
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

/// One that has been idle for less is not let go: its request is on its way.
pub(super) const IDLE_MIN: Duration = Duration::from_secs(2);

thread_local! {
    static LISTS: RefCell<Lists> = RefCell::default();
}

/// A connection's place in the list of its worker, for as long as it lives. Stays on the thread that it was made on.
#[derive(Debug)]
pub(crate) struct Spot(usize);

impl Spot {
    /// A connection that is busy.
    pub(crate) fn new() -> Self {
        Self(LISTS.with_borrow_mut(Lists::add))
    }

    /// It is idle from now on, unless it is already. `asked`: a request has come on it.
    pub(crate) fn idles(&self, asked: bool) {
        LISTS.with_borrow_mut(|lists| lists.idles(self.0, asked, Instant::now()));
    }

    /// It has something to do.
    pub(crate) fn is_busy(&self) {
        LISTS.with_borrow_mut(|lists| lists.unlink(self.0));
    }

    /// Ready when it has to go. A connection that is busy does not.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        LISTS.with_borrow_mut(|lists| lists.poll_gone(self.0, cx))
    }

    /// Waits until it has to go.
    pub(crate) async fn gone(&self) {
        poll_fn(|cx| self.poll_gone(cx)).await;
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        // The thread's list may be gone before its last connections are.
        let _ = LISTS.try_with(|lists| lists.borrow_mut().remove(self.0));
    }
}

/// Has the idlest connection of this thread go. False: none has been idle for long enough.
pub(crate) fn let_go() -> bool {
    LISTS.with_borrow_mut(|lists| lists.let_go(Instant::now()))
}

const NONE: usize = usize::MAX;

#[derive(Debug)]
struct Entry {
    /// Which of the lists it is in.
    list: Option<usize>,
    before: usize,
    behind: usize,
    since: Instant,
    must_go: bool,
    waker: Option<Waker>,
}

/// First and last of a list.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: usize,
    last: usize,
}

/// Idle connections that have never been asked anything, and those that have.
#[derive(Debug)]
struct Lists {
    entries: Vec<Entry>,
    free: Vec<usize>,
    ends: [Ends; 2],
}

impl Default for Lists {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), ends: [Ends { first: NONE, last: NONE }; 2] }
    }
}

impl Lists {
    fn add(&mut self) -> usize {
        let entry =
            Entry { list: None, before: NONE, behind: NONE, since: Instant::now(), must_go: false, waker: None };
        match self.free.pop() {
            Some(at) => {
                self.entries[at] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        }
    }

    fn remove(&mut self, at: usize) {
        self.unlink(at);
        self.entries[at].waker = None;
        self.free.push(at);
    }

    fn idles(&mut self, at: usize, asked: bool, now: Instant) {
        if self.entries[at].list.is_some() {
            return;
        }
        let list = usize::from(asked);
        let last = std::mem::replace(&mut self.ends[list].last, at);
        match self.entries.get_mut(last) {
            Some(last) => last.behind = at,
            None => self.ends[list].first = at,
        }
        let entry = &mut self.entries[at];
        (entry.list, entry.before, entry.behind, entry.since) = (Some(list), last, NONE, now);
    }

    fn unlink(&mut self, at: usize) {
        let Entry { list, before, behind, .. } = self.entries[at];
        let Some(list) = self.entries[at].list.take().and(list) else { return };
        match self.entries.get_mut(before) {
            Some(before) => before.behind = behind,
            None => self.ends[list].first = behind,
        }
        match self.entries.get_mut(behind) {
            Some(behind) => behind.before = before,
            None => self.ends[list].last = before,
        }
    }

    fn poll_gone(&mut self, at: usize, cx: &mut Context<'_>) -> Poll<()> {
        let entry = &mut self.entries[at];
        if entry.must_go {
            return Poll::Ready(());
        }
        if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn let_go(&mut self, now: Instant) -> bool {
        for list in 0..self.ends.len() {
            let first = self.ends[list].first;
            let Some(entry) = self.entries.get_mut(first) else { continue };
            if now.saturating_duration_since(entry.since) < IDLE_MIN {
                continue;
            }
            entry.must_go = true;
            if let Some(waker) = entry.waker.take() {
                waker.wake();
            }
            self.unlink(first);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{collections::VecDeque, task::Waker};

    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    fn is_gone(spot: &Spot) -> bool {
        spot.poll_gone(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_never_asked_goes_first_then_the_idlest() {
        let spots: Vec<_> = (0..4).map(|_| Spot::new()).collect();
        spots[0].idles(true);
        advance(IDLE_MIN).await;
        spots[1].idles(true);
        spots[2].idles(false);
        advance(IDLE_MIN).await;
        let gone = || spots.iter().map(is_gone).collect::<Vec<_>>();
        for expected in [[false, false, true, false], [true, false, true, false], [true, true, true, false]] {
            assert!(let_go());
            assert_eq!(gone(), expected);
        }
        assert!(!let_go(), "one that is busy stays");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_just_come_stays_and_one_that_is_asked_begins_anew() {
        let spot = Spot::new();
        spot.idles(false);
        advance(IDLE_MIN / 2).await;
        assert!(!let_go());
        spot.idles(false);
        advance(IDLE_MIN / 2).await;
        spot.is_busy();
        spot.idles(true);
        assert!(!let_go());
        advance(IDLE_MIN).await;
        assert!(let_go() && is_gone(&spot));
        drop(spot);
        assert!(!let_go());
    }

    #[tokio::test]
    async fn the_task_of_one_that_has_to_go_is_woken() {
        tokio::time::pause();
        let spot = Spot::new();
        spot.idles(false);
        advance(IDLE_MIN).await;
        let (_, let_one_go) = tokio::join!(spot.gone(), async { let_go() });
        assert!(let_one_go);
    }

    proptest! {
        /// The lists hold what a plain queue of each would.
        #[test]
        fn lists_are_in_order(steps in prop::collection::vec((0..5_u8, 0..6_usize), 0..80)) {
            let mut lists = Lists::default();
            let mut spots: Vec<usize> = (0..6).map(|_| lists.add()).collect();
            let mut model: [VecDeque<usize>; 2] = Default::default();
            let begun = Instant::now();
            for (step, which) in steps {
                let at = spots[which];
                match step {
                    0 | 1 if !model.iter().any(|list| list.contains(&at)) => {
                        lists.idles(at, step == 1, begun);
                        model[usize::from(step)].push_back(at);
                    }
                    2 => {
                        lists.unlink(at);
                        model.iter_mut().for_each(|list| list.retain(|other| *other != at));
                    }
                    3 => {
                        let expected = model.iter_mut().find_map(VecDeque::pop_front);
                        prop_assert_eq!(lists.let_go(begun + IDLE_MIN), expected.is_some());
                        prop_assert!(expected.is_none_or(|at| lists.entries[at].must_go));
                    }
                    4 => {
                        lists.remove(at);
                        model.iter_mut().for_each(|list| list.retain(|other| *other != at));
                        spots[which] = lists.add();
                    }
                    _ => {}
                }
            }
        }
    }
}
