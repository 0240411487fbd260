//! One client network that takes all it can get, at once: connections, handshakes, numbers, requests and bodies.
//!
//! It comes to the site that the bystanders come for, from an address of its own.

use std::{
    collections::VecDeque,
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    Failed,
    attack::people::browser::{Browser, Errand, HOST},
    client::{Io, Target, Way},
    floods::{
        kinds::{
            ask::{ANSWER_WITHIN, Asking},
            pour::{Became, COMES_AGAIN_AFTER},
        },
        raw::End,
        scene::{Clients, FLOODS_FROM, FREE},
    },
};

/// For so long: less than the deadline of a handshake, so that silent connections stand until the end.
const LASTS: Duration = Duration::from_secs(8);
/// Connections on which nothing is said, as many as these tasks open one after the other. Each is a handshake that does
/// not go on; the last hundred are beyond what one client may have of these.
const OPENING: usize = 8;
const SILENT_EACH: usize = 2_000 / OPENING;
/// At first they have the node for themselves. After so long some of each task's hang up, so that the rest comes as well.
const SILENT_FOR: Duration = Duration::from_secs(3);
const HANG_UP_EACH: usize = 25;
/// Clients that shake hands, how often each does, and how many of these connections it keeps: together with those on which
/// nothing is said they are more than one client may have.
const SHAKING: usize = 4;
const HANDSHAKES_EACH: usize = 1_000;
const KEPT_EACH: usize = 200;
/// Clients that make numbers of slips, and how many each asks for.
const NUMBERING: usize = 4;
const NUMBERS_EACH: usize = 2_000;
/// Clients that ask for a page that no queue holds back, as fast as they are answered.
const ASKING: usize = 8;
/// Bodies that are announced, and how long each is, in bytes.
const BODIES: usize = 1_000;
const BODY_BYTES: u64 = 1 << 30;
/// Pages are asked for so much later than bodies are announced: a client with too many requests is not told that its body
/// is too long.
const PAGES_AFTER: Duration = Duration::from_millis(200);
/// `HTTP/1.1 413`.
const STATUS_AT: usize = 9;
const STATUS_BYTES: usize = 3;

/// When the rest joins those who are silent, and when it is over.
#[derive(Clone, Copy)]
struct Course {
    rest: Instant,
    over: Instant,
}

impl Course {
    fn is_over(self) -> bool {
        Instant::now() >= self.over
    }
}

pub(in crate::floods) async fn network(clients: Clients) -> Result<Became, Failed> {
    let begin = Instant::now();
    let course = Course { rest: begin + SILENT_FOR, over: begin + LASTS };
    let page = Browser::new("greedy".to_owned(), true).request(Errand::Page(FREE)).ok_or("a request that is none")?;
    let to = clients.beside;
    let mut parts = JoinSet::new();
    for _ in 0..OPENING {
        parts.spawn(silent(to.addr, course));
    }
    parts.spawn(bodies(to.clone(), course));
    for _ in 0..NUMBERING {
        parts.spawn(numbers(to.clone(), course));
    }
    for _ in 0..SHAKING {
        parts.spawn(handshakes(to.clone(), course));
    }
    for _ in 0..ASKING {
        parts.spawn(pages(to.clone(), page.clone(), course));
    }
    let mut all = Became::default();
    while let Some(became) = parts.join_next().await {
        all.add(became?);
    }
    if all.connections == 0 {
        return Err("no connection could be made".into());
    }
    Ok(all)
}

async fn pages(to: Target, page: Request<()>, course: Course) -> Became {
    sleep_until((course.rest + PAGES_AFTER).into()).await;
    let mut asking = Asking::new(to, FLOODS_FROM);
    while !course.is_over() {
        asking.ask(&page).await;
    }
    asking.finish()
}

/// A visitor after the other, who polls without a cookie and is given a slip, and polls with that.
async fn numbers(to: Target, course: Course) -> Became {
    sleep_until(course.rest.into()).await;
    let mut asking = Asking::new(to, FLOODS_FROM);
    for _ in 0..NUMBERS_EACH {
        if course.is_over() {
            break;
        }
        let mut browser = Browser::new("greedy".to_owned(), true);
        for _ in 0..2 {
            let Some(request) = browser.request(Errand::Poll) else { break };
            if let Some(answer) = asking.ask(&request).await {
                browser.take_in(&answer);
            }
        }
    }
    asking.finish()
}

async fn handshakes(to: Target, course: Course) -> Became {
    sleep_until(course.rest.into()).await;
    let mut became = Became::default();
    let mut kept = VecDeque::with_capacity(KEPT_EACH + 1);
    for _ in 0..HANDSHAKES_EACH {
        if course.is_over() {
            break;
        }
        let shaken = timeout(ANSWER_WITHIN, to.way.connect(to.addr, Some(FLOODS_FROM))).await;
        if let Ok(Ok(connection)) = shaken {
            became.connections += 1;
            kept.push_back(connection);
            if kept.len() > KEPT_EACH {
                kept.pop_front();
                hangs_up(&mut became);
            }
        } else {
            became.refused += 1;
            sleep(COMES_AGAIN_AFTER).await;
        }
    }
    sleep_until(course.over.into()).await;
    kept.iter().for_each(|_| became.end(End::Open));
    became
}

/// Bodies that are announced and never sent, each on a connection of its own.
async fn bodies(to: Target, course: Course) -> Became {
    sleep_until(course.rest.into()).await;
    let head = format!(
        "POST {FREE} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/octet-stream\r\nContent-Length: \
         {BODY_BYTES}\r\n\r\n"
    );
    let mut became = Became::default();
    for _ in 0..BODIES {
        if course.is_over() {
            break;
        }
        let answered = timeout(ANSWER_WITHIN, announces(&to, head.as_bytes())).await;
        if let Ok(Ok(status)) = answered {
            became.connections += 1;
            became.answered(status);
            hangs_up(&mut became);
        } else {
            became.refused += 1;
            sleep(COMES_AGAIN_AFTER).await;
        }
    }
    became
}

/// The status that a head is answered with.
async fn announces(to: &Target, head: &[u8]) -> Result<u16, Failed> {
    let mut io = to.way.connect(to.addr, Some(FLOODS_FROM)).await?;
    io.write_all(head).await?;
    io.flush().await?;
    let mut begins = [0; STATUS_AT + STATUS_BYTES];
    io.read_exact(&mut begins).await?;
    Ok(str::from_utf8(&begins[STATUS_AT..])?.parse()?)
}

/// Connections on which nothing is said, until it is over or the server closes them.
async fn silent(to: SocketAddr, course: Course) -> Became {
    let mut became = Became::default();
    let mut held = Vec::with_capacity(SILENT_EACH);
    for _ in 0..SILENT_EACH {
        if course.is_over() {
            break;
        }
        let opened = timeout(ANSWER_WITHIN, Way::PLAIN.connect(to, Some(FLOODS_FROM))).await;
        match opened {
            Ok(Ok(Io::Plain(tcp))) => held.push(tcp),
            _ => became.refused += 1,
        }
    }
    became.connections += held.len() as u64;
    sleep_until(course.rest.into()).await;
    // Of the first ones, which are within the bound.
    for _ in held.drain(..HANG_UP_EACH.min(held.len())) {
        hangs_up(&mut became);
    }
    sleep_until(course.over.into()).await;
    for tcp in held {
        // One beyond a bound was accepted, and closed at once.
        let is_open = matches!(tcp.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        became.end(if is_open { End::Open } else { End::Closed });
    }
    became
}

/// The client itself ends a connection.
fn hangs_up(became: &mut Became) {
    *became.ended.entry("hung up".to_owned()).or_default() += 1;
}
