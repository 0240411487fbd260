//! Places at servers, and the requests that wait for one. A place that becomes free goes to the first of them, so that no
//! newcomer takes it away.

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use tokio::sync::oneshot;

use super::server::Server;

/// A place at a server, until it is dropped.
#[derive(Debug)]
pub(in crate::upstream) struct Turn {
    server: Option<Arc<Server>>,
}

impl Turn {
    /// The place must have been taken.
    pub(super) fn at(server: Arc<Server>) -> Self {
        Self { server: Some(server) }
    }

    pub(in crate::upstream) fn server(&self) -> &Arc<Server> {
        let Some(server) = &self.server else { unreachable!("it is there until it is dropped") };
        server
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            Room::free(server);
        }
    }
}

/// Those who wait for a place at an origin.
#[derive(Debug)]
pub(super) struct Room {
    in_flight_max: AtomicU32,
    /// As many as stand in line, so that the queue is not looked at if there are none.
    waiting: AtomicUsize,
    line: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// The only server that it waits for, by its id.
    only: Option<u64>,
    place: oneshot::Sender<Turn>,
}

impl Waiting {
    fn takes(&self, server: &Server) -> bool {
        self.only.is_none_or(|only| only == server.id())
    }
}

impl Room {
    pub(super) fn new() -> Self {
        Self { in_flight_max: AtomicU32::new(u32::MAX), waiting: AtomicUsize::new(0), line: Mutex::default() }
    }

    /// Most requests under way at each server.
    pub(super) fn in_flight_max(&self) -> u32 {
        self.in_flight_max.load(Ordering::Relaxed)
    }

    pub(super) fn set_in_flight_max(&self, max: Option<NonZeroU32>) {
        self.in_flight_max.store(max.map_or(u32::MAX, NonZeroU32::get), Ordering::Relaxed);
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Stands in line for a place, at one server only or at any.
    pub(super) fn line_up(&self, only: Option<u64>) -> oneshot::Receiver<Turn> {
        let (place, receiver) = oneshot::channel();
        let mut line = self.line();
        line.push_back(Waiting { only, place });
        self.waiting.store(line.len(), Ordering::SeqCst);
        receiver
    }

    /// Forgets those in front who wait no longer. All wait for the same time, so they are the first.
    pub(super) fn let_go(&self) {
        let mut line = self.line();
        while line.front().is_some_and(|first| first.place.is_closed()) {
            line.pop_front();
        }
        self.waiting.store(line.len(), Ordering::SeqCst);
    }

    /// A place has become free.
    fn free(server: Arc<Server>) {
        let room = &server.known.room;
        loop {
            let may_hand_over = server.in_flight() <= room.in_flight_max() && server.health.is_up();
            if room.waiting() > 0 && may_hand_over && room.hand_over(&server) {
                return;
            }
            server.leave();
            // One may have lined up meanwhile, and have seen no place yet.
            let is_wanted =
                room.waiting() > 0 && server.health.is_up() && room.line().iter().any(|waiting| waiting.takes(&server));
            if !is_wanted || !server.enter(room.in_flight_max()) {
                return;
            }
        }
    }

    /// Gives a place to the first who waits for it. False: none does.
    fn hand_over(&self, server: &Arc<Server>) -> bool {
        loop {
            let next = {
                let mut line = self.line();
                let next = line.iter().position(|waiting| waiting.takes(server)).and_then(|at| line.remove(at));
                self.waiting.store(line.len(), Ordering::SeqCst);
                next
            };
            let Some(next) = next else { return false };
            match next.place.send(Turn::at(server.clone())) {
                Ok(()) => return true,
                // It waits no longer: the place is for the next one.
                Err(mut turn) => turn.server = None,
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
