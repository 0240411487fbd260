//! One visitor's way through the line and the site.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    attack::{
        clock::{Clock, SECOND_US, Us},
        ledger::{Ledger, Purpose},
        origin::{END, HOME, INSIDE, Who},
        people::{
            browser::{Browser, Errand, QUEUE, Status},
            story::{Story, Wait},
        },
        plan::{Patience, Plan},
        wire::{Client, Net, is_from_origin},
    },
    client::Answer,
};

/// Share of the times at which somebody who reloads does so.
const RELOADS: f64 = 0.3;
/// The pause before a request that got no answer is made again.
const RETRY_US: (Us, Us) = (SECOND_US / 2, SECOND_US);
/// Every so many visitors who just stop leave their pass to others.
const LEAVES_PASS: u32 = 4;

/// The door that a crowd comes to.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) clock: Clock,
    pub(crate) net: Arc<Net>,
    pub(crate) ledger: Ledger,
    /// Each visitor always meets the same node.
    pub(crate) sticky: bool,
    closed: watch::Sender<bool>,
}

impl Door {
    pub(crate) fn new(clock: Clock, net: Net, ledger: Ledger, sticky: bool) -> Self {
        Self { clock, net: Arc::new(net), ledger, sticky, closed: watch::Sender::new(false) }
    }

    /// Everybody goes home.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// `None`: the door has been closed meanwhile.
    pub(crate) async fn rest_until(&self, at_us: Us) -> Option<()> {
        self.until(self.clock.at(at_us)).await
    }

    async fn until(&self, at: Instant) -> Option<()> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            () = sleep_until(at) => Some(()),
            // The door cannot go away before this does.
            _ = closed.wait_for(|&closed| closed) => None,
        }
    }
}

/// Comes, waits, enters, goes, as planned, until the door is closed.
pub(crate) async fn journey(plan: Plan, door: Arc<Door>) -> Story {
    let story = Story {
        who: plan.who,
        stays: !matches!(plan.patience, Patience::WalksAway { .. }),
        steady: plan.patience == Patience::Stays,
        cut_short: true,
        ..Story::default()
    };
    let client = Client::new(door.net.clone(), plan.from(), plan.keeps, plan.http2);
    let browser = Browser::new(Who::Visitor(plan.who).name(), door.net.is_secure()).of_member(plan.member);
    let mut journey =
        Journey { plan, door, client, browser, story, stands: false, ahead: None, asked_us: 0, late_us: 0 };
    if journey.door.rest_until(journey.plan.due_us).await.is_some() {
        journey.door.ledger.arrives();
        // Cut short or not: what there is to tell is in the story.
        journey.story.cut_short = journey.comes_and_goes().await.is_none();
        journey.stands(false);
        journey.door.ledger.goes();
    }
    journey.story
}

struct Journey {
    plan: Plan,
    door: Arc<Door>,
    client: Client,
    browser: Browser,
    story: Story,
    /// Counted among those who stand in line.
    stands: bool,
    /// How many stood ahead, as it was told last.
    ahead: Option<u64>,
    /// When it made the last request that was answered; 0 before the first.
    asked_us: Us,
    /// As in its story, since it was last told to wait by a node that had asked the line.
    late_us: Us,
}

impl Journey {
    /// `None`: the door was closed before it was through.
    async fn comes_and_goes(&mut self) -> Option<()> {
        if self.is_let_in().await? { self.visit().await } else { Some(()) }
    }

    /// Until inside, or until patience is at its end.
    async fn is_let_in(&mut self) -> Option<bool> {
        let mut leaves_us = None;
        let mut due_us = self.plan.due_us;
        let mut purpose = Purpose::Arrive;
        let mut errand = Errand::Page(HOME);
        loop {
            let (answered_us, answer) = self.ask(errand, purpose, due_us).await?;
            if is_from_origin(&answer) {
                self.stands(false);
                self.story.late_us = self.late_us;
                self.story.entered_us = Some(answered_us);
                self.door.ledger.entered.fetch_add(1, Relaxed);
                return Some(true);
            }
            // `ask` lets nothing else through.
            let status = Status::of(&answer)?;
            if status.may_enter() {
                // Nobody leaves who was called.
                (self.plan.patience, leaves_us) = (Patience::Stays, None);
                (due_us, purpose, errand) = (answered_us, Purpose::Enter, Errand::Page(HOME));
                continue;
            }
            due_us = answered_us + self.plan.as_told_us(status.poll_after_seconds);
            if let Patience::WalksAway { share, .. } = self.plan.patience
                && let Some(range) = status.wait_seconds
            {
                let wait_s = f64::from(range.low + range.high) / 2.0;
                let wait_us = crate::simulate::whole(share * wait_s * SECOND_US as f64);
                leaves_us.get_or_insert(answered_us + wait_us);
            }
            if let Patience::Sleeps { beyond_us } = self.plan.patience
                && status.number.is_some()
            {
                due_us += beyond_us;
                self.late_us += beyond_us;
                self.plan.patience = Patience::Stays;
            }
            if let Some(leaves_us) = leaves_us.filter(|&at_us| at_us < due_us) {
                self.door.rest_until(leaves_us).await?;
                self.walks_away().await;
                return Some(false);
            }
            self.door.rest_until(due_us).await?;
            purpose = Purpose::Poll;
            let reloads = self.plan.reloads && self.plan.dice.unit() < RELOADS;
            errand = if reloads { Errand::Page(HOME) } else { Errand::Poll };
        }
    }

    async fn walks_away(&mut self) {
        let says_so = matches!(self.plan.patience, Patience::WalksAway { says_so: true, .. });
        if let Some(ticket) = self.browser.token("ticket", QUEUE).filter(|_| !says_so) {
            self.door.ledger.spare().ticket(ticket);
        }
        if let Some(request) = self.browser.request(Errand::Leave).filter(|_| says_so) {
            let to = self.any_node();
            match self.client.ask(to, &request).await {
                Ok(answer) if answer.status == 204 => {}
                Ok(answer) => self.mishap(format!("status {} to a good-bye", answer.status)),
                Err(trouble) => self.mishap(format!("good-bye: {trouble}")),
            }
        }
    }

    /// A visit of some requests, and its end.
    async fn visit(&mut self) -> Option<()> {
        let mut due_us = self.story.entered_us.unwrap_or_default();
        let over_us = due_us + self.plan.inside_us;
        let mut has_shown_pass = false;
        loop {
            due_us += self.plan.pause_inside_us();
            if due_us >= over_us {
                break;
            }
            self.door.rest_until(due_us).await?;
            if !self.is_let_through(INSIDE, due_us).await? {
                return Some(());
            }
            has_shown_pass = true;
        }
        if self.plan.ends {
            self.door.rest_until(due_us).await?;
            self.story.ended = self.is_let_through(END, due_us).await?;
        } else if has_shown_pass
            // One who walked in and never came back with the pass has not begun a visit: the number may be called again.
            && self.plan.who.is_multiple_of(LEAVES_PASS)
            && let Some(pass) = self.browser.token("pass", QUEUE)
        {
            self.door.ledger.spare().pass(self.door.clock.now_us(), pass);
        }
        Some(())
    }

    async fn is_let_through(&mut self, target: &'static str, due_us: Us) -> Option<bool> {
        let before_us = self.asked_us;
        let (answered_us, answer) = self.ask(Errand::Page(target), Purpose::Inside, due_us).await?;
        let through = is_from_origin(&answer);
        if !through {
            self.story.refused_inside = Some(answered_us.saturating_sub(before_us));
        }
        Some(through)
    }

    /// Asks, again after a while if there is no answer or none that is expected, and notes what was learned.
    async fn ask(&mut self, errand: Errand, purpose: Purpose, due_us: Us) -> Option<(Us, Answer)> {
        loop {
            let request = self.browser.request(errand)?;
            let to = self.any_node();
            let asked_us = self.door.clock.now_us();
            let answer = self.client.ask(to, &request).await;
            let answered_us = self.door.clock.now_us();
            match answer {
                Ok(answer) if is_expected(errand, &answer) => {
                    let late_us = answered_us.saturating_sub(due_us);
                    self.door.ledger.answered(purpose, late_us);
                    self.late_us += late_us;
                    self.browser.take_in(&answer);
                    self.note(asked_us, answered_us, &answer);
                    return Some((answered_us, answer));
                }
                Ok(answer) => self.mishap(format!("status {} to a {}", answer.status, name(errand))),
                Err(trouble) => self.mishap(format!("{}: {trouble}", name(errand))),
            }
            self.story.steady = false;
            let (least, most) = RETRY_US;
            let pause_us = least + self.plan.dice.below(most - least);
            self.door.rest_until(answered_us + pause_us).await?;
        }
    }

    fn note(&mut self, asked_us: Us, answered_us: Us, answer: &Answer) {
        if self.asked_us == 0 {
            // Nobody is called who has not come.
            self.story.called_after_us = asked_us;
        }
        self.asked_us = asked_us;
        if is_from_origin(answer) {
            self.numbered(self.browser.number());
            self.story.called_by_us.get_or_insert(answered_us);
            return;
        }
        let Some(status) = Status::of(answer) else { return };
        // What is shown leaves out numbers that a lost line skipped; the ticket does not.
        self.numbered(self.browser.number());
        let has_number = !self.story.numbers.is_empty();
        self.story.lost |=
            has_number && self.story.entered_us.is_none() && self.browser.token("ticket", QUEUE).is_none();
        if status.may_enter() {
            self.story.called_by_us.get_or_insert(answered_us);
            self.stands(false);
            return;
        }
        self.story.taken_back += u32::from(self.story.called_by_us.is_some() && self.story.entered_us.is_none());
        self.story.fell_back += u32::from(status.ahead.zip(self.ahead).is_some_and(|(now, before)| now > before));
        self.ahead = status.ahead.or(self.ahead);
        let held = status.state == "held";
        if held {
            self.late_us += Us::from(status.poll_after_seconds) * SECOND_US;
        } else if self.story.called_by_us.is_none() {
            self.story.called_after_us = asked_us;
            self.late_us = 0;
        }
        if has_number && self.story.entered_us.is_none() {
            self.stands(true);
            let shown_s = status.wait_seconds.map(|range| (range.low, range.high));
            let told_s = status.poll_after_seconds;
            self.story.waits.push(Wait { asked_us, answered_us, held, told_s, shown_s });
        }
    }

    fn numbered(&mut self, number: Option<u64>) {
        if let Some(number) = number
            && self.story.numbers.last() != Some(&number)
        {
            self.story.numbers.push(number);
        }
    }

    fn stands(&mut self, stands: bool) {
        match (self.stands, stands) {
            (false, true) => self.door.ledger.stands(),
            (true, false) => self.door.ledger.stands_no_more(),
            _ => {}
        }
        self.stands = stands;
    }

    fn any_node(&mut self) -> usize {
        let nodes = self.door.net.nodes.len();
        let which = if self.door.sticky { u64::from(self.plan.who) } else { self.plan.dice.next() };
        usize::try_from(which % (nodes as u64).max(1)).unwrap_or(0)
    }

    fn mishap(&self, kind: String) {
        self.door.ledger.mishap(self.door.clock.now_us(), kind);
    }
}

/// The origin's page, a waiting page, a status document: nothing else.
fn is_expected(errand: Errand, answer: &Answer) -> bool {
    match errand {
        Errand::Page(_) if is_from_origin(answer) => answer.status == 200,
        Errand::Page(_) => answer.status == 503 && Status::of(answer).is_some(),
        Errand::Poll => answer.status == 200 && Status::of(answer).is_some(),
        Errand::Leave => answer.status == 204,
    }
}

fn name(errand: Errand) -> &'static str {
    match errand {
        Errand::Page(_) => "page",
        Errand::Poll => "poll",
        Errand::Leave => "good-bye",
    }
}
