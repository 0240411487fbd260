//! One visitor's way through the line and the shop, and what it has to tell afterwards.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    limits::Limits,
    plan::{Patience, Plan, Visit},
};
use crate::support::{HOST, Request, Response, Status, browser::Browser, dice::Dice, pool::Pool};

/// Requests under way at once; each of them has a connection that is kept.
const CONNECTIONS: usize = 256;

/// The door that a crowd comes to: one queue, on any of some nodes.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) queue: &'static str,
    /// The page that it is for, one behind it, and one that ends a visit.
    pub(crate) pages: [&'static str; 3],
    pub(crate) limits: Limits,
    pool: Pool,
    start: Instant,
    closed: watch::Sender<bool>,
}

impl Door {
    /// The queue `shop`, before all pages; the crowd begins to come now.
    pub(crate) fn shop(nodes: &[SocketAddr], limits: Limits) -> Self {
        Self::new("shop", ["/", "/cart", "/end"], nodes, limits)
    }

    /// Any queue. The crowd begins to come now.
    pub(crate) fn new(queue: &'static str, pages: [&'static str; 3], nodes: &[SocketAddr], limits: Limits) -> Self {
        let pool = Pool::new(nodes, CONNECTIONS);
        Self { queue, pages, limits, pool, start: Instant::now(), closed: watch::Sender::new(false) }
    }

    /// Everybody stops where they are.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// What a visitor saw.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) plan: Plan,
    /// When it asked for anything, until it was let in; one request after the other.
    pub(crate) asked: Vec<Instant>,
    /// The numbers it was told, without repetitions. One, if all is well.
    pub(crate) numbers: Vec<u64>,
    /// It had a number, and then none.
    pub(crate) lost: bool,
    /// Every answer that told it to wait, with a number.
    pub(crate) waits: Vec<Wait>,
    /// How many stood ahead, as it was told last.
    ahead: Option<u64>,
    /// How often it was told that more stood ahead than before.
    pub(crate) fell_back: u32,
    /// How often it was told that it was called, and then to wait.
    pub(crate) taken_back: u32,
    /// It was not called before this.
    pub(crate) called_after: Instant,
    /// It was called by then.
    pub(crate) called_by: Option<Instant>,
    /// When it was let in.
    pub(crate) entered: Option<Instant>,
    /// It was inside, made a request, and was not let through.
    pub(crate) thrown_out: bool,
    /// The longest that an answer inside has taken.
    pub(crate) slowest_inside: Duration,
    /// Requests that got no answer, and were made again.
    pub(crate) retries: u32,
}

impl Story {
    /// Of a visitor who has seen nothing yet.
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            asked: Vec::new(),
            numbers: Vec::new(),
            lost: false,
            waits: Vec::new(),
            ahead: None,
            fell_back: 0,
            taken_back: 0,
            called_after: Instant::now(),
            called_by: None,
            entered: None,
            thrown_out: false,
            slowest_inside: Duration::ZERO,
            retries: 0,
        }
    }
}

/// Told to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    /// The line could not be asked, so this does not say that the visitor was not called.
    pub(crate) held: bool,
    /// When to ask again.
    pub(crate) told: Duration,
}

/// Comes, waits, enters, goes, as planned, until the door is closed.
pub(crate) async fn journey(plan: Plan, door: Arc<Door>) -> Story {
    let browser = Browser::new(&plan.visitor.to_string()).at(HOST, door.queue);
    let (start, closed) = (door.start, door.closed.subscribe());
    let mut journey = Journey { browser, door, closed, dice: plan.dice, story: Story::new(plan) };
    if journey.rest_until(start + plan.arrives).await.is_some() && journey.is_let_in().await.is_some() {
        // Cut short or not: what there is to tell is in the story.
        let _ = journey.visit().await;
    }
    journey.story
}

struct Journey {
    browser: Browser,
    door: Arc<Door>,
    closed: watch::Receiver<bool>,
    dice: Dice,
    story: Story,
}

impl Journey {
    /// Until inside; `None`: until patience is at its end, or the door is closed.
    async fn is_let_in(&mut self) -> Option<()> {
        let [home, ..] = self.door.pages;
        let mut leaves_at = None;
        let mut silence = match self.story.plan.patience {
            Patience::ComesBackLate(silence) => Some(silence),
            Patience::Stays | Patience::WalksAway(_) => None,
        };
        let mut page = self.load(home).await?;
        loop {
            if page.is_from_origin() {
                self.story.entered = Some(Instant::now());
                return Some(());
            }
            let mut status = Status::of(&page).unwrap_or_else(|| panic!("neither shop nor waiting page: {page:?}"));
            while !status.may_enter() {
                let mut pause = self.as_told(&status);
                if let (Patience::WalksAway(share), Some(ahead), None) =
                    (self.story.plan.patience, status.ahead, leaves_at)
                {
                    // Most of those ahead will leave as well, so the wait is shorter than it looks.
                    let wait = ahead as f64 / self.door.limits.per_second() * 0.6;
                    leaves_at = Some(Instant::now() + Duration::from_secs_f64(share * wait));
                }
                if status.number.is_some()
                    && let Some(silence) = silence.take()
                {
                    pause += silence;
                }
                let next = Instant::now() + pause;
                if let Some(leaves_at) = leaves_at.filter(|&at| at < next) {
                    self.rest_until(leaves_at).await;
                    return None;
                }
                self.rest_until(next).await?;
                status = self.poll().await?;
            }
            self.story.called_by.get_or_insert_with(Instant::now);
            page = self.load(home).await?;
        }
    }

    /// A visit of some requests, and its end.
    async fn visit(&mut self) -> Option<()> {
        let [_, inside, end] = self.door.pages;
        let number = self.story.numbers.last().copied().unwrap_or_default();
        for _ in 0..(self.story.plan.requests_inside)(number) {
            self.rest_until(Instant::now() + Duration::from_secs(1)).await?;
            if !self.is_let_through(inside).await? {
                return None;
            }
        }
        if self.story.plan.visit == Visit::Ends {
            self.is_let_through(end).await?;
        }
        Some(())
    }

    async fn is_let_through(&mut self, target: &str) -> Option<bool> {
        let through = self.load(target).await?.is_from_origin();
        self.story.thrown_out |= !through;
        Some(through)
    }

    /// A tenth more or less than it was told, as the page's script does it.
    fn as_told(&mut self, status: &Status) -> Duration {
        Duration::from_secs(status.poll_after_seconds.into()).mul_f64(0.9 + self.dice.roll() / 5.0)
    }

    /// `None`: the door has been closed meanwhile.
    async fn rest_until(&mut self, until: Instant) -> Option<()> {
        tokio::select! {
            () = sleep_until(until) => Some(()),
            // The door cannot go away before this does.
            _ = self.closed.wait_for(|&closed| closed) => None,
        }
    }

    async fn load(&mut self, target: &str) -> Option<Response> {
        self.ask(|browser| browser.navigation(target)).await
    }

    async fn poll(&mut self) -> Option<Status> {
        let response = self.ask(Browser::poll).await?;
        Some(Status::of(&response).unwrap_or_else(|| panic!("no status document: {response:?}")))
    }

    /// Asks, again after a while if there is no answer, and notes what was learned.
    async fn ask(&mut self, request: impl Fn(&Browser) -> Request) -> Option<Response> {
        loop {
            let asked = Instant::now();
            if self.story.entered.is_none() {
                self.story.asked.push(asked);
            }
            match self.door.pool.ask(&request(&self.browser)).await {
                Ok(response) => {
                    self.browser.take_in(&response);
                    self.note(asked, &response);
                    return Some(response);
                }
                Err(_) => {
                    self.story.retries += 1;
                    let pause = Duration::from_secs_f64(0.5 + self.dice.roll());
                    self.rest_until(Instant::now() + pause).await?;
                }
            }
        }
    }

    fn note(&mut self, asked: Instant, response: &Response) {
        let answered = Instant::now();
        let story = &mut self.story;
        if story.entered.is_some() {
            story.slowest_inside = story.slowest_inside.max(answered - asked);
        }
        match self.browser.number() {
            Some(number) if story.numbers.last() != Some(&number) => story.numbers.push(number),
            None if story.entered.is_none() && !story.numbers.is_empty() => story.lost = true,
            _ => {}
        }
        if response.is_from_origin() {
            story.called_by.get_or_insert(answered);
            return;
        }
        let Some(status) = Status::of(response) else { return };
        if !status.may_enter() {
            story.taken_back += u32::from(story.called_by.is_some() && story.entered.is_none());
            story.fell_back += u32::from(status.ahead.zip(story.ahead).is_some_and(|(now, before)| now > before));
            story.ahead = status.ahead.or(story.ahead);
            let held = status.state == "held";
            if !held {
                story.called_after = asked;
            }
            if status.number.is_some() {
                let told = Duration::from_secs(status.poll_after_seconds.into());
                story.waits.push(Wait { asked, answered, held, told });
            }
        }
    }
}
