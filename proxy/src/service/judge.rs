//! From a request's head to a verdict: forward it, or answer it here.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_proxy::Session;
use sluice_admission::standing::Standing;
use sluice_waiting_room::page::Refusal;

use super::{Passage, Service};
use crate::{
    answer::{self, Answer, Parked},
    gate::{Decision, Errand, Gate, Request},
    request::{
        Edit,
        client::{self, Client},
        cookies, cors,
        initiator::{self, Asked, Initiator},
        kind::{self, Kind},
        path::NormalPath,
        scan::split,
        strict::{self, Facts, Form, Head, Upgrade},
    },
    routes::Site,
};

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Ours, on every tenant's host.
const OWN_PREFIX: &str = "/.sluice/";

impl Service {
    /// Judges a request. `None`: it is to be forwarded, and the passage says how.
    pub(super) async fn judge(&self, session: &mut Session, passage: &mut Passage) -> Option<Answer> {
        let request = session.req_header();
        passage.kind = kind::classify(&request.method, request.version, &request.headers);
        let raw = if request.version == Version::HTTP_2 { None } else { Some(session.to_h1_raw()) };
        let checked = strict::check(Head {
            method: &request.method,
            target: request.raw_path(),
            uri: &request.uri,
            version: request.version,
            headers: &request.headers,
            raw: raw.as_deref(),
        });
        let facts = match checked {
            Ok(facts) => facts,
            Err(violation) => {
                let answer = self.refuse(passage, violation.status(), violation.reason());
                // Where the next request would start is in doubt.
                session.set_keepalive(None);
                return Some(answer);
            }
        };
        // Of `OPTIONS *`: about this server, and no more is said.
        if facts.form == Form::Asterisk {
            return Some(answer::preflight());
        }
        let Some(site) = self.node.routes().find(&facts.host).cloned() else {
            self.node.metrics.reject("unknown_site");
            return Some(answer::refused(421, &facts.host, Refusal::UnknownSite, is_browser(passage.kind)));
        };
        let path = match NormalPath::parse(facts.path) {
            Ok(path) => path,
            Err(ambiguous) => return Some(self.refuse(passage, 400, ambiguous.reason())),
        };
        let client = self.client(session);
        passage.secure = client.secure;
        passage.upgrades = facts.upgrade == Some(Upgrade::WebSocket);
        let answer = if let Some(own) = path.as_str().strip_prefix(OWN_PREFIX) {
            Some(self.own(session, passage, &site, own, &facts).await)
        } else if let Some((_, gate)) = site.gate(&path) {
            let gate = gate.clone();
            let answer = at_the_gate(session, passage, &site, &gate, &facts).await;
            passage.gate = Some(gate);
            answer
        } else {
            None
        };
        passage.site = Some(site);
        if answer.is_none() {
            passage.edits = origin_edits(session, &facts, &client);
        }
        answer
    }

    fn refuse(&self, passage: &Passage, code: u16, reason: &'static str) -> Answer {
        self.node.metrics.reject(reason);
        // The reason is a fixed word, so nothing of the request comes back in the answer.
        let words = reason.replace('_', " ");
        answer::refused(code, "", Refusal::BadRequest(&words), is_browser(passage.kind))
    }

    /// Who is at the other end.
    fn client(&self, session: &Session) -> Client {
        let peer = session.client_addr().and_then(SocketAddr::as_inet).map(std::net::SocketAddr::ip);
        let peer = peer.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
        client::resolve(peer, tls, &self.trusted_proxies, &session.req_header().headers)
    }

    /// The endpoints under `/.sluice/`.
    async fn own(&self, session: &Session, passage: &mut Passage, site: &Site, own: &str, facts: &Facts<'_>) -> Answer {
        let method = &session.req_header().method;
        let headers = &session.req_header().headers;
        if passage.kind == Kind::Preflight {
            passage.handed_out = cors::preflight(site.tenant.cors.as_ref(), headers);
            return answer::preflight();
        }
        let query = Query::read(facts.query);
        let gate = site.gate_named(query.queue);
        match (own, gate) {
            ("status", Some(gate)) if *method == Method::GET || *method == Method::HEAD => {
                let (answer, fields, inside) =
                    Self::status(site, gate, request(session, passage, site, facts, Errand::Status)).await;
                (passage.handed_out, passage.inside) = (fields, inside);
                answer
            }
            ("leave", Some(gate)) if *method == Method::POST => {
                let request = request(session, passage, site, facts, Errand::Status);
                if request.initiator != Initiator::Own {
                    self.node.metrics.reject("leave_from_elsewhere");
                    return answer::plain(403, "A place can be given up from pages of this site only.\n");
                }
                let decision = gate.leave(request, query.away);
                take(passage, decision);
                answer::left(&facts.host, is_browser(passage.kind))
            }
            ("status" | "leave", Some(_)) => answer::plain(405, "Method not allowed.\n"),
            ("status" | "leave", None) => answer::plain(404, "No such queue: name it with ?queue=NAME.\n"),
            _ => answer::plain(404, "Not found.\n"),
        }
    }
}

impl Service {
    /// Where a visitor stands: the answer, fields that are added to it, and the number of one who is inside.
    pub(super) async fn status(
        site: &Site,
        gate: &Gate,
        request: Request<'_>,
    ) -> (Answer, Vec<(HeaderName, HeaderValue)>, Option<u64>) {
        let decision = gate.decide(request).await;
        let mut fields = decision.handed_out;
        fields.extend(cors::parked(site.tenant.cors.as_ref(), request.headers));
        let answer = match decision.parked {
            Some(standing) => answer::status_document(&gate.queue, &standing),
            None => answer::preflight(),
        };
        (answer, fields, decision.inside)
    }
}

/// What the origin gets to see differs from what the client sent: who the client is, and no token of ours.
fn origin_edits(session: &Session, facts: &Facts<'_>, client: &Client) -> Vec<Edit> {
    let headers = &session.req_header().headers;
    // Room for what every request gets: who the client is, and its cookies without ours.
    let mut edits = Vec::with_capacity(6);
    client::forward(client, &facts.host, facts.port, headers, &mut edits);
    cookies::strip(headers, &mut edits);
    if facts.upgrade == Some(Upgrade::Other) {
        // RFC 9110, 7.8: a protocol we do not switch to is one the client did not ask for.
        edits.push(Edit::Remove(http::header::UPGRADE));
    }
    edits
}

async fn at_the_gate(
    session: &Session,
    passage: &mut Passage,
    site: &Site,
    gate: &Gate,
    facts: &Facts<'_>,
) -> Option<Answer> {
    let headers = &session.req_header().headers;
    let cors_settings = site.tenant.cors.as_ref();
    if passage.kind == Kind::Preflight && gate.queue.mode != sluice_config::Mode::Open {
        passage.handed_out = cors::preflight(cors_settings, headers);
        return Some(answer::preflight());
    }
    let errand = if passage.kind == Kind::Prefetch { Errand::Prefetch } else { Errand::Enter };
    let decision = gate.decide(request(session, passage, site, facts, errand)).await;
    let standing = take(passage, decision)?;
    passage.handed_out.extend(cors::parked(cors_settings, headers));
    Some(answer::parked(Parked { queue: &gate.queue, site: &facts.host, kind: passage.kind, standing: &standing }))
}

fn request<'s>(session: &'s Session, passage: &Passage, site: &Site, facts: &Facts<'_>, errand: Errand) -> Request<'s> {
    let headers = &session.req_header().headers;
    let asked = Asked { host: &facts.host, port: facts.port, secure: passage.secure, tenant: &site.tenant };
    let initiator = initiator::of(headers, passage.kind, &asked);
    Request { headers, secure: passage.secure, errand, initiator, app: is_app(passage.kind, headers) }
}

/// Browsers say how they fetch. Who does not, and wants no page, is an app and may prefer headers over cookies.
pub(super) fn is_app(kind: Kind, headers: &HeaderMap) -> bool {
    kind != Kind::Navigation && !headers.contains_key(&SEC_FETCH_MODE)
}

fn take(passage: &mut Passage, decision: Decision) -> Option<Standing> {
    passage.inside = decision.inside;
    passage.handed_out = decision.handed_out;
    decision.parked
}

fn is_browser(kind: Kind) -> bool {
    matches!(kind, Kind::Navigation | Kind::FormPost)
}

/// The query of our own endpoints. Unknown keys are ignored, so that they can be added to.
#[derive(Default)]
pub(super) struct Query<'a> {
    pub(super) queue: Option<&'a str>,
    away: bool,
}

impl<'a> Query<'a> {
    pub(super) fn read(query: Option<&'a [u8]>) -> Self {
        let mut read = Self::default();
        for pair in split(b'&', query.unwrap_or_default()) {
            if let Some(name) = pair.strip_prefix(b"queue=") {
                read.queue = str::from_utf8(name).ok();
            } else if pair == b"away=1" {
                read.away = true;
            }
        }
        read
    }
}
