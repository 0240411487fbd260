use std::time::Duration;

use crate::{
    diagnostics::Kind,
    settings::Cors,
    testing::{Dir, ORIGIN, QUEUE, TENANT, tenant},
};

fn cors(lines: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, "[cors]\n", lines, "\n"]))
}

#[test]
fn defaults_and_every_key() {
    let least = cors("allowed_origins = [\"*\"]").only_tenant().cors;
    let expected =
        Cors { allowed_origins: vec!["*".into()], allow_credentials: false, max_age: Duration::from_secs(600) };
    assert_eq!(least, Some(expected));

    let most = cors(
        "allowed_origins = [\"https://App.example.com\", \"http://localhost:3000\", \"https://[::1]:1\"]\n\
         allow_credentials = true\nmax_age = \"0s\"",
    );
    let expected = Cors {
        allowed_origins: vec![
            "https://app.example.com".into(),
            "http://localhost:3000".into(),
            "https://[::1]:1".into(),
        ],
        allow_credentials: true,
        max_age: Duration::ZERO,
    };
    assert_eq!(most.only_tenant().cors, Some(expected));
}

#[test]
fn origins_are_what_browsers_send() {
    let wrong = |written: &str, says: &str, advises: &str| {
        cors(&format!("allowed_origins = [«\"{written}\"»]")).is_wrong(Kind::Malformed, says, advises);
    };
    wrong("app.example.com", "begins with its scheme", "\"https://app.example.com\"");
    wrong("ftp://app.example.com", "begins with its scheme", "");
    wrong("https://app.example.com/", "ends with its host", "\"https://app.example.com\"");
    wrong("https://app.example.com/path", "ends with its host", "\"https://app.example.com\"");
    wrong("https://app.example.com:443", "usual port", "\"https://app.example.com\"");
    wrong("http://app.example.com:80", "usual port", "\"http://app.example.com\"");
    wrong("https://*.example.com", "`*`", "*.example.com");
    wrong("https://", "host name is empty", "");
}

#[test]
fn any_origin_stands_alone_and_without_credentials() {
    cors("allowed_origins = «[\"*\", \"https://a.example.com\"]»").is_wrong(Kind::Conflict, "every origin", "alone");
    cors("allowed_origins = [\"*\"]\nallow_credentials = «true»").is_wrong(
        Kind::Conflict,
        "browsers refuse it",
        "name",
    );
}

#[test]
fn the_rest() {
    cors("allowed_origins = [\"http://a.example.com\", «\"http://a.example.com\"»]").is_wrong(
        Kind::Duplicate,
        "origin",
        "",
    );
    cors("allowed_origins = «[]»").is_wrong(Kind::OutOfRange, "0 entries", "1 to 100");
    cors("allowed_origins = [\"*\"]\nmax_age = «\"25h\"»").is_wrong(Kind::OutOfRange, "`max_age`", "0s to 1day");
    cors("allowed_origins = [\"*\"]\nallow_credentials = «\"yes\"»").is_wrong(Kind::WrongType, "true or false", "");
}
