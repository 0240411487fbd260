//! A site behind a waiting room that answers by script: a page for each navigation, a status for
//! each poll, the last of each for ever.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use sluice_admission::standing::Standing;
use sluice_config::{ClosedAs, settings::Name};
use sluice_waiting_room::{
    page::{self, Encoding, Form, PageInput, Pages, Reader, SentBy, Sort},
    status,
};

/// What the visitor asks for; everything after the host has to survive the wait.
pub(crate) const ADDRESS: &str = "/tickets?event=7";
/// What a visitor sees who got in.
pub(crate) const INSIDE: &str = "<!doctype html><title>Inside</title><p id=inside>Welcome</p>";

/// Reads in English.
pub(crate) const READER: Reader<'static> =
    Reader { site: "shop.example.com", language: None, encoding: Encoding::Identity };

/// The answer to one poll.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The status document of this standing.
    Standing(Standing),
    /// Any answer: status line, further header lines, body.
    Http(&'static str, &'static str, &'static str),
    /// The connection closes without an answer.
    Nothing,
}

/// Scripts a site; [`serve`](Self::serve) starts it.
#[derive(Default)]
pub(crate) struct Script {
    /// `None`: no content, so the browser stays where it is.
    navigations: Vec<Option<Vec<u8>>>,
    polls: Vec<Answer>,
    /// What polls of other queues are answered; `None`: that the server is away.
    other_polls: HashMap<String, Option<Standing>>,
    files: HashMap<String, (Policy, Vec<u8>)>,
    watch: Option<String>,
    leads_on_to: Option<String>,
    /// What scripts are answered that post to a path.
    posts: HashMap<String, (&'static str, Vec<u8>)>,
}

/// Whether an answer carries the pages' policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Sent,
    Left,
}

/// A running site. It serves until the test process ends.
pub(crate) struct Site {
    origin: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// The next navigation gets this page.
    pub(crate) fn page(mut self, page: impl AsRef<[u8]>) -> Self {
        self.navigations.push(Some(page.as_ref().to_vec()));
        self
    }

    /// The next navigation gets the waiting page.
    pub(crate) fn waiting_page(self, standing: &Standing) -> Self {
        let page = Pages::of_no_tenant().waiting(&input(standing, &queue()));
        self.page(page)
    }

    /// The next navigation gets the page of a form that it does not hold.
    pub(crate) fn form_page(self, standing: &Standing) -> Self {
        self.form_page_with(standing, None)
    }

    /// The next navigation gets the page of a form with these fields, if there are any.
    pub(crate) fn form_page_with(self, standing: &Standing, fields: Option<&[(String, String)]>) -> Self {
        let form = Form { fields, sent_by: &SentBy::SomeSite, line_path: ADDRESS };
        let page = Pages::of_no_tenant().form_unsent(&input(standing, &queue()), &form);
        self.page(page)
    }

    /// A form that is sent to the address leads on to this one, of another site.
    pub(crate) fn leads_on_to(mut self, url: String) -> Self {
        self.leads_on_to = Some(url);
        self
    }

    /// What a script that posts to this path is answered: status line and body.
    pub(crate) fn post(mut self, path: &str, status: &'static str, body: impl AsRef<[u8]>) -> Self {
        self.posts.insert(path.into(), (status, body.as_ref().to_vec()));
        self
    }

    /// The next navigation gets the page of a queue that is called so while it is closed.
    pub(crate) fn closed_page(self, standing: &Standing, closed_as: ClosedAs) -> Self {
        let queue = queue();
        let page = Pages::of_no_tenant().waiting(&PageInput { closed_as, ..input(standing, &queue) });
        self.page(page)
    }

    /// The next navigation gets the waiting page of a visitor who is handed this slip with it.
    pub(crate) fn page_with_slip(self, standing: &Standing, slip: &str) -> Self {
        let queue = queue();
        let page = Pages::of_no_tenant().waiting(&PageInput { slip: Some(slip), ..input(standing, &queue) });
        self.page(page)
    }

    /// The next navigation gets an answer that replaces no page, as a download does.
    pub(crate) fn no_page(mut self) -> Self {
        self.navigations.push(None);
        self
    }

    /// The next polls get these.
    pub(crate) fn polls(mut self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.polls.extend(answers);
        self
    }

    /// Polls of another queue get this one, and without one they fail.
    pub(crate) fn polls_of(mut self, queue: &str, answer: Option<Standing>) -> Self {
        self.other_polls.insert(queue.to_owned(), answer);
        self
    }

    /// A page at a path of its own.
    pub(crate) fn file(mut self, path: impl Into<String>, policy: Policy, page: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), (policy, page.as_ref().to_vec()));
        self
    }

    /// Puts `watch.js` in front of the page's own script, and `then` after it. The policy admits
    /// scripts from the site itself for that.
    pub(crate) fn watched(mut self, then: &str) -> Self {
        self.watch = Some(format!("{}\n{then}", include_str!("watch.js")));
        self
    }

    pub(crate) fn serve(self) -> Site {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let script = Arc::new(self);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || script.answer(&stream, &seen));
            }
        });
        Site { origin, requests }
    }

    fn answer(&self, mut stream: &TcpStream, seen: &Mutex<Vec<String>>) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let head: Vec<_> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let mut request = head.first()?.trim_end_matches(" HTTP/1.1").to_owned();
        let field = |line: &String| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
        let mut body = vec![0; head.iter().find_map(field).unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        if !body.is_empty() {
            request = format!("{request} {}", String::from_utf8(body).ok()?);
        }
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.iter().filter(|earlier| **earlier == request).count() - 1
        };
        if let Some((status, body)) = request.strip_prefix("POST ").and_then(|path| self.posts.get(path)) {
            return stream.write_all(&http(status, &format!("content-type: {}", page::CONTENT_TYPE), body)).ok();
        }
        if request.starts_with("POST ") {
            let to = format!("location: {}", self.leads_on_to.as_ref()?);
            return stream.write_all(&http("302 Found", &to, b"")).ok();
        }
        let path = request.strip_prefix("GET ")?;
        let response = if path == ADDRESS {
            match nth(&self.navigations, before)? {
                Some(page) => self.html(Policy::Sent, page),
                None => http("204 No Content", "cache-control: no-store", b""),
            }
        } else if path.trim_end_matches("&hidden=1") == "/.sluice/status?queue=shop" {
            match nth(&self.polls, before)? {
                Answer::Standing(standing) => status_of("shop", standing),
                Answer::Http(status, headers, body) => http(status, headers, body.as_bytes()),
                Answer::Nothing => return None,
            }
        } else if let Some((queue, answer)) = self.poll_of_another(path) {
            answer.map_or_else(
                || http("503 Service Unavailable", "content-type: text/plain", b"away"),
                |standing| status_of(queue, &standing),
            )
        } else if let (Some(watch), "/watch.js") = (&self.watch, path) {
            http("200 OK", "content-type: text/javascript", watch.as_bytes())
        } else if let Some((policy, file)) = self.files.get(path) {
            self.html(*policy, file)
        } else {
            http("404 Not Found", "content-type: text/plain", b"")
        };
        stream.write_all(&response).ok()
    }

    fn poll_of_another<'a>(&self, path: &'a str) -> Option<(&'a str, Option<Standing>)> {
        let queue = path.trim_end_matches("&hidden=1").strip_prefix("/.sluice/status?queue=")?;
        Some((queue, *self.other_polls.get(queue)?))
    }

    fn html(&self, policy: Policy, page: &[u8]) -> Vec<u8> {
        let mut headers = format!("content-type: {}\r\ncache-control: no-store", page::CONTENT_TYPE);
        let mut page = page.to_vec();
        if policy == Policy::Sent {
            let holds_form = page.windows(9).any(|text| text == b"id=\"send\"");
            let is_board = page.windows(13).any(|text| text == b"class=\"board\"");
            let sort = match (holds_form, is_board) {
                (true, _) => Sort::HoldsForm,
                (_, true) => Sort::Board,
                _ => Sort::Shows,
            };
            let mut policy = Pages::of_no_tenant().content_security_policy(sort).to_owned();
            if self.watch.is_some() {
                policy = policy.replace("script-src", "script-src 'self'");
                let text = String::from_utf8(page).unwrap();
                let before = if text.contains("<style>") { "<style>" } else { "<title>" };
                page = text.replacen(before, &format!("<script src=/watch.js></script>{before}"), 1).into_bytes();
            }
            headers += &format!("\r\ncontent-security-policy: {policy}\r\nreferrer-policy: {}", page::REFERRER_POLICY);
        }
        // The status of a waiting page; pages from inside and helper files do not mind.
        http("503 Service Unavailable", &headers, &page)
    }
}

impl Site {
    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Every request so far, as method and target.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How often the visitor loaded the address.
    pub(crate) fn navigations(&self) -> usize {
        self.requests().iter().filter(|request| **request == format!("GET {ADDRESS}")).count()
    }
}

fn queue() -> Name {
    Name::new("shop").unwrap()
}

fn input<'a>(standing: &'a Standing, queue: &'a Name) -> PageInput<'a> {
    PageInput { reader: READER, queue, closed_as: ClosedAs::Closed, standing, message: None, slip: None }
}

fn status_of(queue: &str, standing: &Standing) -> Vec<u8> {
    let mut body = Vec::new();
    status::write(&mut body, queue, standing, None);
    http("200 OK", &format!("content-type: {}", status::CONTENT_TYPE), &body)
}

fn nth<T>(script: &[T], n: usize) -> Option<&T> {
    script.get(n).or(script.last())
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut response =
        format!("HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())
            .into_bytes();
    response.extend_from_slice(body);
    response
}
