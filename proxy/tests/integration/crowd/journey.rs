//! One visitor's way through the line and the shop, and what it has to tell afterwards.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    RELEASE_PER_MINUTE,
    plan::{Dice, Patience, Plan, Visit},
};
use crate::support::{Request, Response, Status, browser::Browser, pool::Pool};

/// What a visitor saw.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) plan: Plan,
    /// The numbers it was told, without repetitions. One, if all is well.
    pub(super) numbers: Vec<u64>,
    /// Every answer that told it to wait, with a number.
    pub(super) waits: Vec<Wait>,
    /// It was not called before this.
    pub(super) called_after: Instant,
    /// It was called by then.
    pub(super) called_by: Option<Instant>,
    /// When it was let in.
    pub(super) entered: Option<Instant>,
    /// It was inside, made a request, and was not let through.
    pub(super) thrown_out: bool,
    /// Requests that got no answer, and were made again.
    pub(super) retries: u32,
}

/// Told to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) asked: Instant,
    pub(super) answered: Instant,
    /// When to ask again.
    pub(super) told: Duration,
}

/// Comes, waits, enters, goes, as planned.
pub(super) async fn journey(plan: Plan, pool: Arc<Pool>, start: Instant) -> Story {
    sleep_until(start + plan.arrives).await;
    let story = Story {
        plan,
        numbers: Vec::new(),
        waits: Vec::new(),
        called_after: Instant::now(),
        called_by: None,
        entered: None,
        thrown_out: false,
        retries: 0,
    };
    let browser = Browser::new(&plan.visitor.to_string());
    let mut journey = Journey { browser, pool, dice: plan.dice, story };
    if journey.is_let_in().await {
        journey.visit().await;
    }
    journey.story
}

struct Journey {
    browser: Browser,
    pool: Arc<Pool>,
    dice: Dice,
    story: Story,
}

impl Journey {
    /// Until inside, or until patience is at its end.
    async fn is_let_in(&mut self) -> bool {
        let mut leaves_at = None;
        let mut silence = match self.story.plan.patience {
            Patience::ComesBackLate(silence) => Some(silence),
            Patience::Stays | Patience::WalksAway(_) => None,
        };
        let mut page = self.load("/").await;
        loop {
            if page.is_from_origin() {
                self.story.entered = Some(Instant::now());
                return true;
            }
            let mut status = Status::of(&page).unwrap_or_else(|| panic!("neither shop nor waiting page: {page:?}"));
            while !status.may_enter() {
                let mut pause = self.as_told(&status);
                if let (Patience::WalksAway(share), Some(ahead), None) =
                    (self.story.plan.patience, status.ahead, leaves_at)
                {
                    // Most of those ahead will leave as well, so the wait is shorter than it looks.
                    let wait = ahead as f64 / f64::from(RELEASE_PER_MINUTE) * 60.0 * 0.6;
                    leaves_at = Some(Instant::now() + Duration::from_secs_f64(share * wait));
                }
                if status.number.is_some()
                    && let Some(silence) = silence.take()
                {
                    pause += silence;
                }
                let next = Instant::now() + pause;
                if let Some(leaves_at) = leaves_at.filter(|&at| at < next) {
                    sleep_until(leaves_at).await;
                    return false;
                }
                sleep_until(next).await;
                status = self.poll().await;
            }
            self.story.called_by.get_or_insert_with(Instant::now);
            page = self.load("/").await;
        }
    }

    /// A visit of some requests, and its end.
    async fn visit(&mut self) {
        let number = self.story.numbers.last().copied().unwrap_or_default();
        for _ in 0..Plan::requests_inside(number) {
            sleep(Duration::from_secs(1)).await;
            if !self.load("/cart").await.is_from_origin() {
                self.story.thrown_out = true;
                return;
            }
        }
        if self.story.plan.visit == Visit::Ends {
            self.story.thrown_out = !self.load("/end").await.is_from_origin();
        }
    }

    /// A tenth more or less than it was told, as the page's script does it.
    fn as_told(&mut self, status: &Status) -> Duration {
        Duration::from_secs(status.poll_after_seconds.into()).mul_f64(0.9 + self.dice.roll() / 5.0)
    }

    async fn load(&mut self, target: &str) -> Response {
        self.ask(|browser| browser.navigation(target)).await
    }

    async fn poll(&mut self) -> Status {
        let response = self.ask(Browser::poll).await;
        Status::of(&response).unwrap_or_else(|| panic!("no status document: {response:?}"))
    }

    /// Asks, again after a while if there is no answer, and notes what was learned.
    async fn ask(&mut self, request: impl Fn(&Browser) -> Request) -> Response {
        loop {
            let asked = Instant::now();
            match self.pool.ask(&request(&self.browser)).await {
                Ok(response) => {
                    self.browser.take_in(&response);
                    self.note(asked, &response);
                    return response;
                }
                Err(_) => {
                    self.story.retries += 1;
                    sleep(Duration::from_secs_f64(0.5 + self.dice.roll())).await;
                }
            }
        }
    }

    fn note(&mut self, asked: Instant, response: &Response) {
        let answered = Instant::now();
        let story = &mut self.story;
        if let Some(number) = self.browser.number().filter(|&number| story.numbers.last() != Some(&number)) {
            story.numbers.push(number);
        }
        if response.is_from_origin() {
            story.called_by.get_or_insert(answered);
        } else if let Some(status) = Status::of(response).filter(|status| !status.may_enter()) {
            story.called_after = asked;
            if status.number.is_some() {
                let told = Duration::from_secs(status.poll_after_seconds.into());
                story.waits.push(Wait { asked, answered, told });
            }
        }
    }
}
