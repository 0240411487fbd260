//! What the description says of every operation: how a caller shows who it is, and with what it can be refused.

use serde_json::Value;
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{
        Content, Header, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::answer::{ErrorItem, Metadata};
use crate::admin::access::SESSION_COOKIE;

/// Why an operation was not done.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described here, made by `answer::Problem`")]
struct ProblemDoc {
    success: bool,
    /// What is there instead, where that helps; else `null`.
    data: Value,
    metadata: Metadata,
    errors: Vec<ErrorItem>,
}

/// What is asked with an operation.
struct Asked {
    path: bool,
    query: bool,
    body: bool,
    /// A header: there is none but `If-Match`.
    header: bool,
    /// The role decides, or a cookie alone does not do.
    permission: bool,
}

/// A status, its name, when it is answered, and to which operations.
type Refusal = (&'static str, &'static str, &'static str, fn(&Asked) -> bool);

const REFUSALS: [Refusal; 12] = [
    ("400", "Malformed", "The path, the query or the body cannot be read", |of| of.path || of.query || of.body),
    ("401", "Unauthenticated", "It is not known who asks, or no longer", |_| true),
    ("403", "Forbidden", "Who asks may not do this, or a page of another site asks", |of| of.permission),
    ("404", "NotFound", "There is none, for who asks", |of| of.path),
    ("412", "ChangedMeanwhile", "Another change came first; `data` is how it is now", |of| of.header),
    ("413", "TooLarge", "The body has more than 64 KiB", |of| of.body),
    ("415", "NotJson", "The body is not said to be JSON", |of| of.body),
    ("421", "UnknownHost", "The API is not reached under this name", |_| true),
    ("422", "Invalid", "A value is not what it should be", |of| of.query || of.body),
    ("428", "IfMatchMissing", "`If-Match` is missing", |of| of.header),
    ("429", "TooManyRequests", "More than 20 requests a second", |_| true),
    ("503", "Unavailable", "The store, a file or a place for a stream is not to be had now", |_| true),
];

/// Completes the description.
pub(super) fn complete(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        let changes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in changes.into_iter().flatten() {
            refusals(operation, true);
        }
        if let Some(operation) = &mut item.get {
            refusals(operation, false);
        }
    }
    let components = api.components.get_or_insert_default();
    components.schemas.insert(ProblemDoc::name().into(), ProblemDoc::schema());
    for (status, name, when, _) in REFUSALS {
        components.responses.insert(name.into(), RefOr::T(response(status, when)));
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A key of `[[admin.key]]`, a token of `sluice admin token`, or one of `[admin.issuer]`"));
    let session = ApiKeyValue::with_description(
        SESSION_COOKIE,
        "The dashboard's session. What changes something has to come from its own page, as JSON",
    );
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    api.security = Some(["bearer", "session"].map(|scheme| SecurityRequirement::new(scheme, [""; 0])).to_vec());
}

/// Adds to an operation what it is refused with.
fn refusals(operation: &mut Operation, changes: bool) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            response.description = "Done".to_owned();
        }
        // What an operation names itself beside its success.
        if response.content.is_empty() {
            response.content.insert("application/json".to_owned(), RefOr::T(problem()));
        }
    }
    let parameters = operation.parameters.iter().flatten();
    let places: Vec<_> = parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(&parameter.parameter_in),
            RefOr::Ref(_) => None,
        })
        .collect();
    let asked = Asked {
        path: places.contains(&&ParameterIn::Path),
        query: places.contains(&&ParameterIn::Query),
        header: places.contains(&&ParameterIn::Header),
        body: operation.request_body.is_some(),
        permission: changes || operation.extensions.as_ref().is_some_and(|more| more.contains_key("x-permission")),
    };
    for (status, name, _, is_possible) in REFUSALS {
        if is_possible(&asked) {
            operation.responses.responses.insert(status.to_owned(), RefOr::Ref(Ref::from_response_name(name)));
        }
    }
}

fn problem() -> Content {
    Content::new(Some(Ref::from_schema_name(ProblemDoc::name())))
}

fn response(status: &str, when: &str) -> Response {
    let response = ResponseBuilder::new().description(when).content("application/json", problem());
    match status {
        "401" => response.header("WWW-Authenticate", Header::default()),
        "412" => response.header("ETag", Header::default()),
        "429" => response.header("Retry-After", Header::default()),
        _ => response,
    }
    .build()
}
