//! The dashboard's files, as they stand in the binary.

use axum::{
    http::{HeaderName, header},
    response::IntoResponse,
};

/// A path, its type and its text.
pub(crate) const FILES: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("../dashboard/index.html")),
    ("/dashboard.css", "text/css; charset=utf-8", include_str!("../dashboard/dashboard.css")),
    ("/dashboard.js", SCRIPT, include_str!("../dashboard/dashboard.js")),
    ("/dashboard-api.js", SCRIPT, include_str!("../dashboard/dashboard-api.js")),
    ("/dashboard-parts.js", SCRIPT, include_str!("../dashboard/dashboard-parts.js")),
    ("/dashboard-change.js", SCRIPT, include_str!("../dashboard/dashboard-change.js")),
    ("/dashboard-visitor.js", SCRIPT, include_str!("../dashboard/dashboard-visitor.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// One of them. Not kept by browsers: after an upgrade all of them have to be of one version.
pub(super) fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    const HEADERS: (HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");
    ([(header::CONTENT_TYPE, kind), HEADERS], text)
}
