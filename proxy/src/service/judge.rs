//! From a request's head to a verdict: forward it, or answer it here.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use sluice_admission::{
    line::LaneId,
    standing::{Look, Standing},
    usher::now,
};
use sluice_config::Name;
use sluice_waiting_room::page::{Board, Refusal, SentBy};

use super::{Passage, Service, caching, frameworks, moving};
use crate::{
    gate::{self, Errand, Gate, Recipient, Request, lane},
    limits::{Network, Over, Price},
    request::{
        Edit,
        client::{self, Client},
        cookies, cors,
        kind::initiator::{self, Asked, Initiator},
        kind::{self, Kind},
        preferences::Preferences,
        syntax::strict::{Facts, Head, Upgrade},
        trace::{self, X_REQUEST_ID},
        via,
    },
    routing::{
        Site,
        decision::{Decision, Endpoint, GoesTo, Stop, decide},
    },
    service::{
        answer::{self, Answer, Parked},
        query::Query,
    },
    sinks::access_log::Outcome,
    transport::connection::Connection,
};

/// What no request is refused for.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

impl Service {
    /// Judges a request. `None`: it is to be forwarded, and the passage says how.
    pub(crate) async fn judge(&self, head: Head<'_>, connection: &Connection, passage: &mut Passage) -> Option<Answer> {
        passage.kind = kind::classify(head.method, head.version, head.headers);
        passage.line.note(|record| {
            record.read(head.method, head.target, head.version, head.headers);
            let written = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            record.host(written.or(head.uri.authority().map(|authority| authority.as_str())).unwrap_or_default());
            record.client = Some(connection.peer);
            (record.is_tls, record.kind) = (connection.is_tls(), Some(passage.kind));
        });
        match self.decide(head, passage.kind, connection) {
            Ok(decision) => self.serve(head, decision, connection, passage).await,
            Err(stop) => Some(self.stop(stop, page_wanted(passage.kind, head.headers))),
        }
    }

    /// What a request is about.
    pub(crate) fn decide<'r>(
        &self,
        head: Head<'r>,
        kind: Kind,
        connection: &Connection,
    ) -> Result<Decision<'r, Gate>, Stop<'r>> {
        decide(head, kind, connection, &self.trusted_proxies, self.https_port, &self.node.routes())
    }

    /// Serves a request that is in order, as far as that can be done here.
    pub(crate) async fn serve(
        &self,
        head: Head<'_>,
        decision: Decision<'_, Gate>,
        connection: &Connection,
        passage: &mut Passage,
    ) -> Option<Answer> {
        let Head { method, headers, version, .. } = head;
        let Decision { facts, client, site, goes_to, challenge, rule, route } = decision;
        if let Some((gate, nth)) = &rule {
            gate.met_rule(*nth);
        }
        let is_poll = matches!(goes_to, GoesTo::Own(Endpoint::Status));
        if is_poll && !self.log.has_polls() {
            passage.line.0 = None;
        }
        passage.line.note(|record| {
            record.read(method, head.target, version, headers);
            record.host(&facts.host);
            (record.client, record.is_tls) = (Some(client.addr), client.secure);
            (record.kind, record.tenant) = (Some(passage.kind), Some(site.tenant.name.clone()));
            let covering =
                if let GoesTo::Gate(gate) = &goes_to { Some(gate) } else { rule.as_ref().map(|(gate, _)| gate) };
            record.queue = covering.map(|gate| gate.queue.name.clone());
            let named = rule.as_ref().and_then(|(gate, nth)| gate.queue.rules.get(*nth));
            record.rule = named.map(|rule| rule.name.as_str().into());
            record.outcome = Outcome::Answered;
        });
        // Polls are called nothing unless they are logged: nothing is looked for by their names.
        if passage.line.0.is_some() || !is_poll {
            let id = trace::request_id(headers, client.peer_is_trusted());
            passage.line.note(|record| record.request_id = Some(id.clone()));
            passage.request_id = Some(id);
        }
        // Before every bound: without it there would soon be no HTTPS.
        if let Some(token) = challenge
            && let Some(proof) = self.node.acme.proof(&facts.host, token).await
        {
            return Some(answer::proof(proof));
        }
        let network = self.prefixes.network(client.addr);
        let is_for_site = matches!(goes_to, GoesTo::Gate(_) | GoesTo::Origin);
        if let Err(Over(limit)) = connection.belongs_to(&site.usage) {
            return Some(self.over(limit, &site, passage).closing());
        }
        if is_for_site {
            match site.usage.begin() {
                Ok(under_way) => passage.under_way = under_way,
                Err(Over(limit)) => return Some(self.over(limit, &site, passage)),
            }
        }
        let app = is_app(passage.kind, headers);
        passage.recipient = Recipient { secure: client.secure, app, domain: site.shares_cookies(&facts.host) };
        passage.client = super::number_of(client.addr);
        passage.hears_lane = client.peer_is_trusted;
        passage.is_asset = caching::is_asset(headers);
        passage.body = facts.body;
        passage.upgrades = facts.upgrade == Some(Upgrade::WebSocket);
        passage.site = Some(site);
        passage.route = route;
        let answer = match goes_to {
            GoesTo::Https(to) => Some(answer::moved(to)),
            GoesTo::Own(endpoint) => Some(self.own(endpoint, method, headers, &facts, network, passage).await),
            GoesTo::Gate(gate) => {
                let price = passage.site.as_ref().and_then(|site| site.usage.price(network));
                let lane = lane::by_rule(rule.as_ref());
                let answer = self.at_the_gate((&gate, lane), headers, &facts, (client.addr, price), passage).await;
                passage.line.comes_to(Outcome::Parked);
                let answer = answer.map(|answer| frameworks::dress(answer, passage.kind, method, headers, &facts));
                if answer.is_none() {
                    pass_by(Some(&gate), headers, &facts, passage);
                }
                answer
            }
            GoesTo::Refused => {
                self.node.metrics.reject("rule");
                passage.line.comes_to(Outcome::Refused);
                Some(answer::plain(403, "This request is refused here.\n"))
            }
            GoesTo::Origin => {
                pass_by(None, headers, &facts, passage);
                None
            }
        };
        let answer = answer.or_else(|| self.beyond(&facts, network, passage));
        if answer.is_none() {
            passage.line.comes_to(Outcome::Forwarded);
            passage.wants = page_wanted(passage.kind, headers);
            passage.edits = origin_edits(headers, version, &facts, &client);
            let Some(site) = &passage.site else { unreachable!("the passage has its site") };
            self.node.routes().fleet().sign(headers, version, site.tenant.name.as_str(), &mut passage.edits);
            via::count_down(method, headers, &mut passage.edits);
            if let Some(id) = &passage.request_id {
                let value = HeaderValue::from_str(id);
                passage.edits.extend(value.ok().map(|value| Edit::Set(X_REQUEST_ID.clone(), value)));
            }
            let begun = trace::begin_trace(self.traceparent, headers, &mut passage.edits);
            passage.line.note(|record| record.trace_id = begun.or_else(|| trace::trace_id(headers).map(Into::into)));
        }
        answer
    }

    /// The endpoints under `/.sluice/`.
    async fn own(
        &self,
        endpoint: Endpoint,
        method: &Method,
        headers: &HeaderMap,
        facts: &Facts<'_>,
        client: Network,
        passage: &mut Passage,
    ) -> Answer {
        let Some(site) = passage.site.clone() else { unreachable!("the passage has its site") };
        let cors_settings = site.tenant.cors.as_ref();
        if passage.kind == Kind::Preflight {
            let max_age = cors_settings.map_or(Duration::ZERO, |cors| cors.max_age);
            passage.handed_out = cors::preflight(cors_settings, headers, max_age);
            return answer::preflight();
        }
        if endpoint == Endpoint::Board {
            return board(&site, method, headers, facts);
        }
        let query = Query::read(facts.query);
        let gate = site.gate_named(query.queue);
        match (endpoint, gate) {
            (Endpoint::Move, Some(gate)) if matches!(*method, Method::GET | Method::HEAD | Method::POST) => {
                let request = request(headers, passage, facts, Errand::Status);
                let asked = (&query, request);
                let answered = moving::answer((&site, gate), method, headers, facts, asked, passage).await;
                answered.unwrap_or_else(|moving::Foreign| {
                    self.node.metrics.reject("move_from_elsewhere");
                    answer::plain(403, "A place can be moved by pages of this site only.\n")
                })
            }
            (Endpoint::Status, Some(gate)) if *method == Method::GET || *method == Method::HEAD => {
                let request = Request { hidden: query.hidden, ..request(headers, passage, facts, Errand::Status) };
                let price = site.usage.price(client);
                let decision = gate.decide_at(request, price).await;
                let standing = take(passage, decision, None);
                passage.handed_out.extend(cors::parked(cors_settings, headers));
                standing.map_or_else(answer::preflight, |standing| {
                    answer::status_document(&gate.queue, &standing, gate.message().as_deref())
                })
            }
            (Endpoint::Leave, Some(gate)) if *method == Method::POST => {
                let request = request(headers, passage, facts, Errand::Status);
                if request.initiator != Initiator::Own {
                    self.node.metrics.reject("leave_from_elsewhere");
                    return answer::plain(403, "A place can be given up from pages of this site only.\n");
                }
                let decision = gate.leave(request, query.away);
                take(passage, decision, None);
                answer::left(&site.pages, &facts.host, page_wanted(passage.kind, headers))
            }
            (Endpoint::Status, Some(_)) => answer::plain(405, "Method not allowed.\n").allowing("GET, HEAD, OPTIONS"),
            (Endpoint::Leave, Some(_)) => answer::plain(405, "Method not allowed.\n").allowing("POST, OPTIONS"),
            (Endpoint::Move, Some(_)) => {
                answer::plain(405, "Method not allowed.\n").allowing("GET, HEAD, POST, OPTIONS")
            }
            (Endpoint::Status | Endpoint::Leave | Endpoint::Move, None) => {
                answer::plain(404, "No such queue: name it with ?queue=NAME.\n")
            }
            (Endpoint::Board | Endpoint::Unknown, _) => answer::plain(404, "Not found.\n"),
        }
    }

    /// What the gate of the path's queue says; beside it the lane that a rule of the queue names. `None`: the request
    /// passes.
    async fn at_the_gate(
        &self,
        (gate, lane): (&Arc<Gate>, Option<&Name>),
        headers: &HeaderMap,
        facts: &Facts<'_>,
        (addr, price): (IpAddr, Option<Price>),
        passage: &mut Passage,
    ) -> Option<Answer> {
        let Some(site) = passage.site.clone() else { unreachable!("the passage has its site") };
        let cors_settings = site.tenant.cors.as_ref();
        if passage.kind == Kind::Preflight {
            let request = request(headers, passage, facts, Errand::Prefetch);
            if gate.lets_preflight(request) || self.node.insiders.include(gate, addr, gate.queue.session_idle) {
                return None;
            }
            // What it grants stands for the answer to this request alone: the next may be the origin's to grant.
            passage.handed_out = cors::preflight(cors_settings, headers, Duration::ZERO);
            return Some(answer::preflight());
        }
        let errand = if passage.kind == Kind::Prefetch { Errand::Prefetch } else { Errand::Enter };
        let mut request = request(headers, passage, facts, errand);
        request.lane.by_rule = lane;
        let decision = gate.decide_at(request, price).await;
        if decision.inside.is_some() {
            self.node.insiders.note(gate, addr);
        }
        let slip = decision.slip.clone();
        let standing = take(passage, decision, Some(gate))?;
        passage.handed_out.extend(cors::parked(cors_settings, headers));
        let sent_by = match (request.initiator, initiator::sender(headers)) {
            (Initiator::Own, _) => SentBy::ThisSite,
            (_, Some(host)) => SentBy::Site(host.to_owned()),
            (_, None) => SentBy::SomeSite,
        };
        let (pages, queue, kind, standing) = (&site.pages, &gate.queue, passage.kind, &standing);
        let message = gate.message();
        let wants = page_wanted(kind, headers).unwrap_or_default();
        let (site, message) = (&*facts.host, message.as_deref());
        let slip = slip.as_deref();
        Some(answer::parked(Parked { pages, queue, site, message, kind, standing, sent_by, slip, wants }))
    }

    /// The answer to a request that nothing is there to serve.
    fn stop(&self, stop: Stop<'_>, wants: Option<Preferences>) -> Answer {
        let (reason, answer) = match stop {
            Stop::AboutServer => return answer::preflight(),
            Stop::Health => return answer::health(self.node.is_ready()),
            Stop::Head(violation) => {
                let reason = violation.reason();
                // Where the next request would start is in doubt.
                let refused = answer::malformed(violation.status(), reason, wants).closing();
                (reason, if violation.status() == 405 { refused.allowing(METHODS) } else { refused })
            }
            Stop::Path(ambiguous) => (ambiguous.reason(), answer::malformed(400, ambiguous.reason(), wants)),
            Stop::UnknownHost(facts) => {
                ("unknown_site", answer::refused(421, &facts.host, Refusal::UnknownSite, wants))
            }
            Stop::Loop(facts) => {
                tell_of_loop(&facts.host);
                ("loop", answer::plain(508, "The origin of this site leads back to its own gateway.\n"))
            }
            // To the client it is the same, and a browser tries again on a connection of its own.
            Stop::Misdirected(facts) => ("misdirected", answer::refused(421, &facts.host, Refusal::UnknownSite, wants)),
        };
        self.node.metrics.reject(reason);
        answer
    }
}

/// Says once a minute what the owner has to mend: each request of the site comes to it.
fn tell_of_loop(host: &str) {
    const EVERY: Duration = Duration::from_secs(60);
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.is_none_or(|at| at.elapsed() >= EVERY) {
        *told = Some(Instant::now());
        tracing::error!(host, "requests come back from the origin to this node or fleet, and get 508: check [origin]");
    }
}

/// What the origin gets to see differs from what the client sent: who the client is, and no token of ours.
fn origin_edits(headers: &HeaderMap, version: Version, facts: &Facts<'_>, client: &Client) -> Vec<Edit> {
    // Room for what every request gets: who the client is, its cookies without ours, `Via`, a name, perhaps a trace.
    let mut edits = Vec::with_capacity(8);
    client::forward(client, &facts.host, facts.port, headers, &mut edits);
    cookies::strip(headers, &mut edits);
    if facts.upgrade == Some(Upgrade::Other) {
        // RFC 9110, 7.8: a protocol we do not switch to is one the client did not ask for.
        edits.push(Edit::Remove(http::header::UPGRADE));
    }
    if version == Version::HTTP_2 && headers.contains_key(http::header::EXPECT) {
        // The driver says itself that the body may come, so the origin has nothing to add.
        edits.push(Edit::Remove(http::header::EXPECT));
    }
    edits
}

/// The other queues of the tenant see their visitors wherever they are on the site.
fn pass_by(covering: Option<&Arc<Gate>>, headers: &HeaderMap, facts: &Facts<'_>, passage: &mut Passage) {
    if !cookies::any_of_ours(headers) && !headers.contains_key(gate::SLUICE_PASS) {
        return;
    }
    let Some(site) = passage.site.clone() else { unreachable!("the passage has its site") };
    let request = request(headers, passage, facts, Errand::Enter);
    for gate in site.gates() {
        if covering.is_some_and(|covering| Arc::ptr_eq(covering, gate)) {
            continue;
        }
        let decision = gate.pass_by(request);
        if let Some(pass) = decision.inside {
            passage.visits.add(gate.clone(), pass, false);
        }
        if !decision.handed_out.is_empty() {
            passage.can_wait = decision.can_wait && (passage.can_wait || passage.handed_out.is_empty());
            passage.handed_out.extend(decision.handed_out);
        }
    }
}

fn request<'s>(headers: &'s HeaderMap, passage: &Passage, facts: &Facts<'_>, errand: Errand) -> Request<'s> {
    let Some(site) = &passage.site else { unreachable!("the passage has its site") };
    let asked = Asked { host: &facts.host, port: facts.port, secure: passage.recipient.secure, tenant: &site.tenant };
    let initiator = initiator::of(headers, passage.kind, &asked);
    Request {
        headers,
        recipient: passage.recipient,
        errand,
        initiator,
        hidden: false,
        lane: lane::Named { by_proxy: client::lane(headers).filter(|_| passage.hears_lane), by_rule: None },
    }
}

/// Browsers say how they fetch. Who does not, and wants no page, is an app and may prefer headers over cookies.
fn is_app(kind: Kind, headers: &HeaderMap) -> bool {
    kind != Kind::Navigation && !headers.contains_key(&SEC_FETCH_MODE)
}

/// Keeps what was decided. `gate` is the one before the path, if the request goes through it.
fn take(passage: &mut Passage, decision: gate::Decision, gate: Option<&Arc<Gate>>) -> Option<Standing> {
    if let (Some(pass), Some(gate)) = (decision.inside, gate) {
        passage.visits.add(gate.clone(), pass, true);
    }
    (passage.handed_out, passage.can_wait) = (decision.handed_out, decision.can_wait);
    decision.parked
}

/// The public board of a queue, unless it is switched off.
fn board(site: &Site, method: &Method, headers: &HeaderMap, facts: &Facts<'_>) -> Answer {
    let name = facts.path.strip_prefix(b"/.sluice/board/").and_then(|name| str::from_utf8(name).ok());
    let Some(gate) = site.gates().iter().find(|gate| gate.queue.board && Some(gate.queue.name.as_str()) == name) else {
        return answer::plain(404, "No board of that name.\n");
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return answer::plain(405, "Method not allowed.\n");
    }
    let view = gate.usher.view();
    // That of the first lane, or of one that is named.
    let named = Query::read(facts.query).lane.and_then(|name| LaneId::of(&gate.queue, name));
    let lane = &view.summary.lanes[view.summary.slot_for(named.unwrap_or_default())];
    let newcomer = Look::of(&view, &gate.usher.rules(), now()).joining(lane.lane);
    let board = Board { calling: lane.shown_number(lane.head), waiting: lane.waiting, newcomer: &newcomer };
    answer::board(&site.pages, &facts.host, &board, Preferences::of(headers))
}

/// How a page is wanted, by a browser that would show one.
pub(super) fn page_wanted(kind: Kind, headers: &HeaderMap) -> Option<Preferences> {
    matches!(kind, Kind::Navigation | Kind::FormPost).then(|| Preferences::of(headers))
}
