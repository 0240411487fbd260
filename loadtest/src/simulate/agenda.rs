//! What happens when: a calendar with one page for each of the next two minutes' milliseconds.
//!
//! Nearly everything that a visitor plans is less than two minutes away, so to plan it is to write on a page, and the
//! next thing to happen is on the next page that is not empty. What is further away waits in a sorted map.

use std::collections::BTreeMap;

/// Pages of the calendar, a millisecond each.
const PAGES: u64 = 1 << 17;

/// Something that happens to one of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) what: What,
    pub(super) who: u32,
}

/// What happens. Who it happens to is a visitor, a node, a crowd, a request or a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The next visitors of a crowd come.
    Arrival,
    /// A visitor's poll reaches a node.
    Poll,
    /// The same, from a second tab.
    TabPoll,
    /// A navigation reaches a node: a reload, or the page that has been told to enter.
    Navigation,
    /// A node asks the line once more, for a poll or a navigation that it has not answered yet.
    AskAgain,
    /// A visitor goes without entering.
    Leave,
    /// A phone falls asleep.
    Sleep,
    /// A visitor inside asks for something, for which the pass is renewed.
    Renewal,
    /// A visit is over.
    VisitEnd,
    /// A call that was not answered lapses.
    CallEnd,
    /// The pass of a visitor who went without a word runs out.
    SeatEnd,
    /// A node looks for something to do.
    Wake,
    /// A batch reaches the store. `who` holds the attempt as well.
    AtStore,
    /// The answer reaches the node.
    Reply,
    /// Something happens to the store.
    Fault,
    /// It is over.
    FaultEnd,
    /// A node reads its files anew.
    Reload,
    /// A copy of the store is put aside, which a later fault will bring back.
    Copy,
    /// Figures are noted.
    Sample,
}

#[derive(Debug)]
pub(super) struct Agenda {
    now_ms: u64,
    /// How much of the page of `now_ms` is done.
    done: usize,
    pages: Vec<Vec<Event>>,
    far: BTreeMap<u64, Vec<Event>>,
    far_from_ms: u64,
    /// Events that have not happened.
    len: usize,
}

impl Agenda {
    pub(super) fn new() -> Self {
        let pages = (0..PAGES).map(|_| Vec::new()).collect();
        Self { now_ms: 0, done: 0, pages, far: BTreeMap::new(), far_from_ms: u64::MAX, len: 0 }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Plans an event; what lies in the past happens now.
    pub(super) fn plan(&mut self, at_ms: u64, what: What, who: u32) {
        let at_ms = at_ms.max(self.now_ms);
        let event = Event { what, who };
        self.len += 1;
        if at_ms < self.now_ms + PAGES {
            self.pages[page(at_ms)].push(event);
        } else {
            self.far.entry(at_ms).or_default().push(event);
            self.far_from_ms = self.far_from_ms.min(at_ms);
        }
    }

    /// The next event, and when it happens. Those of one millisecond come in the order in which they were planned.
    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        if self.len == 0 {
            return None;
        }
        loop {
            let today = &mut self.pages[page(self.now_ms)];
            if let Some(&event) = today.get(self.done) {
                self.done += 1;
                self.len -= 1;
                return Some((self.now_ms, event));
            }
            today.clear();
            self.done = 0;
            self.now_ms += 1;
            while self.far_from_ms < self.now_ms + PAGES {
                if let Some((at_ms, events)) = self.far.pop_first() {
                    self.pages[page(at_ms)].extend(events);
                }
                self.far_from_ms = self.far.first_key_value().map_or(u64::MAX, |(&at_ms, _)| at_ms);
            }
        }
    }
}

fn page(at_ms: u64) -> usize {
    usize::try_from(at_ms % PAGES).unwrap_or(0)
}
