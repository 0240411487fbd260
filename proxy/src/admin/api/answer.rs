//! Every answer's envelope: `{success, data, metadata, errors}`.

use std::fmt::Write as _;

use axum::{
    extract::rejection::JsonRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{admin::access::CSRF_HELP, sinks::time};

/// Version of the envelope and of everything below `/v1`.
pub(crate) const VERSION: &str = "1";

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Envelope<T> {
    /// Whether the request did what it asked for.
    pub(crate) success: bool,
    /// What was asked for; `null` if there is none.
    pub(crate) data: Option<T>,
    pub(crate) metadata: Metadata,
    /// Why not; `null` with success.
    pub(crate) errors: Option<Vec<ErrorItem>>,
}

/// About the answer itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// When it was made, RFC 3339.
    pub(crate) timestamp: String,
    /// Version of the API.
    pub(crate) version: &'static str,
    /// As in the audit log.
    pub(crate) request_id: String,
    /// Where the next page begins: the value for `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ErrorItem {
    /// Stable, for programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
    /// Which part of the body, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Metadata {
    fn now(request_id: String) -> Self {
        Self { timestamp: time::rfc3339(time::now_ms()), version: VERSION, request_id, next: None }
    }
}

/// A request's id: 64 random bits.
pub(crate) fn request_id() -> String {
    let mut id = [0; 8];
    // Without random bytes ids repeat, and nothing else is wrong.
    let _ = SystemRandom::new().fill(&mut id);
    id.iter().fold("req-".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Data, and what goes with it.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) data: T,
    pub(crate) request_id: String,
    pub(crate) etag: Option<String>,
    pub(crate) next: Option<String>,
}

impl<T> Answer<T> {
    pub(crate) fn of(data: T) -> Self {
        Self { data, request_id: request_id(), etag: None, next: None }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let metadata = Metadata { next: self.next, ..Metadata::now(self.request_id) };
        let envelope = Envelope { success: true, data: Some(self.data), metadata, errors: None };
        let mut response = axum::Json(envelope).into_response();
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// A request that did not do what it asked for.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) error: Box<ErrorItem>,
    /// What is there instead, where that helps.
    pub(crate) data: Option<Value>,
    pub(crate) etag: Option<String>,
    pub(crate) request_id: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let error = Box::new(ErrorItem { code, message: message.into(), pointer: None, hint: None });
        Self { status, error, data: None, etag: None, request_id: request_id() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.error.pointer = Some(pointer.into());
        self
    }

    /// Nothing shows who asks.
    pub(crate) fn unknown() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "it is not known who asks, or no longer").hint(
            "send `Authorization: Bearer` with a key, or with a token of `sluice admin token --config DIR`; at the \
             dashboard, log in again",
        )
    }

    /// It is known who asks, and they may not.
    pub(crate) fn forbidden(permission: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", format!("this needs the permission {permission}"))
    }

    /// There is none, for this principal.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// Another site's page may have sent it.
    pub(crate) fn forged() -> Self {
        Self::new(StatusCode::FORBIDDEN, "cross_site", "this did not come from the dashboard").hint(CSRF_HELP)
    }

    pub(crate) fn too_fast() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "more than 20 requests a second")
    }

    pub(crate) fn invalid(pointer: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message).at(pointer)
    }

    /// The line cannot be asked now.
    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "the line cannot be asked now; nothing was changed",
        )
        .hint("`mode` in the tenant's file needs no store: it holds with the next reload")
    }
}

/// A body is looked at last: who may not do it learns nothing of what it should be.
impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let (status, message) = (rejection.status(), rejection.body_text());
        match status {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(status, "not_json", message).hint("send `Content-Type: application/json`")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(status, "too_large", message),
            _ => Self::new(status, "malformed", message),
        }
    }
}

impl From<crate::admin::audit::Unrecorded> for Problem {
    fn from(error: crate::admin::audit::Unrecorded) -> Self {
        tracing::error!(%error, "change refused: it cannot be recorded");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "audit_unavailable",
            "the change cannot be recorded, so it was not made",
        )
        .hint("see to the state directory of this node: it is full, or cannot be written")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let errors = Some(vec![*self.error]);
        let envelope = Envelope { success: false, data: self.data, metadata: Metadata::now(self.request_id), errors };
        let mut response = (self.status, axum::Json(envelope)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sluice\""));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}
