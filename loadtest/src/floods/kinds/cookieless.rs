//! Pages without cookies while no line stands: each request walks in as a visitor of its own, if the rate allows it, or
//! is given a slip. Beside them visitors come who keep their cookies.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::{HeaderValue, Request, header};
use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Failed,
    attack::{
        origin::HOME,
        people::browser::{Browser, Errand, Status},
        plan::address,
    },
    client::{Answer, Connection, Target, Trouble},
    floods::{
        kinds::{
            ask::{ANSWER_WITHIN, Asking},
            pour::Became,
        },
        scene::Clients,
    },
};

/// Connections that ask without cookies, one request at a time on each. Who walks in waits for the line's next step,
/// and in a rush the line makes fifty a second: so many connections ask 12,800 times a second at most.
const CLIENTS: u32 = 256;
/// It goes on for so long at most, whatever is still wanted.
const AT_MOST: Duration = Duration::from_secs(300);
/// Visitors with cookies, one after the other.
pub(in crate::floods) const VISITORS: usize = 20;
/// The first one comes when the line's first burst has been used up, and each so long after the one before is through.
const COMES_AFTER: Duration = Duration::from_secs(2);
/// Who has asked so often in vain gives up.
const ASKS: u32 = 10;
/// Parts of 127.0.0.0/8 from which these and those come, each connection from an address of its own: no bound of one
/// client is to help.
const FLOOD_PART: u8 = 64;
const VISITORS_PART: u8 = 32;

/// What was wanted, and what became of visitors with cookies.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::floods) struct Cookieless {
    /// Requests without cookies that were to be answered, at least.
    pub(in crate::floods) wanted: u64,
    pub(in crate::floods) lasted_s: f64,
    pub(in crate::floods) visitors: Vec<Came>,
}

/// A visitor who keeps cookies.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::floods) struct Came {
    /// How often it asked after its first answer, as it was told to, until it might go in; 0: it walked in.
    pub(in crate::floods) asks: u32,
    /// How long after its first answer it was inside, in seconds; `None`: it never was.
    pub(in crate::floods) inside_after_s: Option<f64>,
    /// What went wrong.
    pub(in crate::floods) failure: Option<String>,
}

/// For how long requests without cookies go on.
#[derive(Debug)]
struct Flow {
    wanted: u64,
    answered: AtomicU64,
    /// All visitors with cookies have come.
    through: AtomicBool,
    until: Instant,
}

impl Flow {
    fn goes_on(&self) -> bool {
        let is_enough = self.answered.load(Relaxed) >= self.wanted && self.through.load(Relaxed);
        !is_enough && Instant::now() < self.until
    }
}

pub(in crate::floods) async fn cookieless(clients: Clients) -> Result<Became, Failed> {
    let nobody = Browser::new("nobody".to_owned(), true);
    let mut page = nobody.request(Errand::Page(HOME)).ok_or("a request that is none")?;
    // As browsers do, so that more of it is asking and less is copying.
    page.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
    let begin = Instant::now();
    let flow = Arc::new(Flow {
        wanted: clients.cookieless,
        answered: AtomicU64::new(0),
        through: AtomicBool::new(false),
        until: begin + AT_MOST,
    });
    let mut asking = JoinSet::new();
    for number in 0..CLIENTS {
        asking.spawn(asks(clients.beside.clone(), address(number, FLOOD_PART), page.clone(), flow.clone()));
    }
    // Not by the threads that give way, or it would be these that the visitors wait for.
    let visitors = clients.others.spawn(come(clients.beside.clone(), flow.until)).await;
    flow.through.store(true, Relaxed);
    let mut became = Became::default();
    while let Some(asked) = asking.join_next().await {
        became.add(asked?);
    }
    let lasted_s = begin.elapsed().as_secs_f64();
    became.cookieless = Some(Cookieless { wanted: flow.wanted, lasted_s, visitors: visitors? });
    Ok(became)
}

async fn asks(to: Target, from: Ipv4Addr, page: Request<()>, flow: Arc<Flow>) -> Became {
    let mut asking = Asking::new(to, from);
    while flow.goes_on() {
        if asking.ask(&page).await.is_some() {
            flow.answered.fetch_add(1, Relaxed);
        }
    }
    asking.finish()
}

async fn come(to: Target, until: Instant) -> Vec<Came> {
    let mut all = Vec::with_capacity(VISITORS);
    for number in (0..).take(VISITORS) {
        sleep(COMES_AFTER).await;
        if Instant::now() >= until {
            break;
        }
        let mut came = Came::default();
        if let Err(trouble) = comes(&to, number, &mut came).await {
            came.failure = Some(trouble.to_string());
        }
        all.push(came);
    }
    all
}

/// Comes, and asks as it is told until it is inside or has asked often enough.
async fn comes(to: &Target, number: u32, came: &mut Came) -> Result<(), Trouble> {
    let mut connection = Connection::open(&to.way, to.addr, Some(address(number, VISITORS_PART))).await?;
    let mut browser = Browser::new(format!("v{number}"), to.way.is_secure());
    // By turns as the page's script does, and as a browser that runs none: it loads the page again.
    let again = if number.is_multiple_of(2) { Errand::Poll } else { Errand::Page(HOME) };
    let mut errand = Errand::Page(HOME);
    let mut first = None;
    let since = loop {
        let answer = ask(&mut connection, &mut browser, errand).await?;
        let since = *first.get_or_insert_with(Instant::now);
        if errand != Errand::Poll && answer.status == 200 {
            break since;
        }
        let status = Status::of(&answer).ok_or(Trouble::NotHttp)?;
        if errand == Errand::Poll && status.may_enter() {
            errand = Errand::Page(HOME);
            continue;
        }
        if came.asks == ASKS {
            return Ok(());
        }
        came.asks += 1;
        sleep(Duration::from_secs(status.poll_after_seconds.into())).await;
        errand = again;
    };
    let after_s = since.elapsed().as_secs_f64();
    // The pass holds for more than the page that it came with.
    let next = ask(&mut connection, &mut browser, Errand::Page(HOME)).await?;
    if next.status == 200 {
        came.inside_after_s = Some(after_s);
    } else {
        came.failure = Some(format!("status {} with a pass", next.status));
    }
    Ok(())
}

async fn ask(connection: &mut Connection, browser: &mut Browser, errand: Errand) -> Result<Answer, Trouble> {
    let request = browser.request(errand).ok_or(Trouble::NotHttp)?;
    let ready = connection.ready(&request)?;
    let silence = |_| Trouble::Silence(ANSWER_WITHIN.as_secs());
    let answer = timeout(ANSWER_WITHIN, connection.send(ready)).await.map_err(silence)??;
    browser.take_in(&answer);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_until_enough_was_answered_and_all_visitors_have_come_but_not_for_ever() {
        let flow = |answered, through, left_s| Flow {
            wanted: 10,
            answered: AtomicU64::new(answered),
            through: AtomicBool::new(through),
            until: Instant::now() + Duration::from_secs(left_s),
        };
        assert!(flow(9, true, 60).goes_on() && flow(10, false, 60).goes_on());
        assert!(!flow(10, true, 60).goes_on());
        assert!(!flow(9, false, 0).goes_on(), "its time is over");
    }
}
