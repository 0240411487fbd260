#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use sluice_config::{ClientShown, LogField, LogTarget};

use super::*;

fn settings(path: PathBuf) -> Settings {
    let fields = LogField::ALL.iter().map(|(_, field)| *field).collect();
    Settings { to: LogTarget::File(path), fields, clients: ClientShown::Network, polls: false }
}

fn record(target: &[u8]) -> Box<Record> {
    let mut record = Box::<Record>::default();
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Mozilla \"5.0\""));
    headers.insert(header::COOKIE, HeaderValue::from_static("sluice_pass_shop=secret"));
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
    record.read(&Method::GET, target, Version::HTTP_11, &headers);
    record.host("shop.example.com");
    record.client = Some([192, 0, 2, 77].into());
    record.status = Some(StatusCode::OK);
    record.outcome = Outcome::Forwarded;
    record.over();
    record
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_says_what_is_asked_for_and_no_secret() {
    let mut out = Vec::new();
    line::write(&record(b"/a\xff\"?token=secret-in-the-query"), &settings("x".into()), &mut out);
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    for (name, expected) in [
        ("client", "192.0.2.0/24"),
        ("path", "/a\u{fffd}\""),
        ("query", "token=secret-in-the-query"),
        ("host", "shop.example.com"),
        ("protocol", "HTTP/1.1"),
        ("outcome", "forwarded"),
        ("user_agent", "Mozilla \"5.0\""),
    ] {
        assert_eq!(line[name], expected, "{name}");
    }
    assert_eq!((&line["status"], &line["bytes"], &line["tls"]), (&200.into(), &0.into(), &false.into()));
    assert!(line.get("tenant").is_none() && line["time"].as_str().unwrap().ends_with('Z'));
    assert!(!String::from_utf8(out).unwrap().contains("sluice_pass"));

    let few = Settings { fields: vec![LogField::Path], ..settings("x".into()) };
    let mut out = Vec::new();
    line::write(&record(b"/a?token=secret"), &few, &mut out);
    assert_eq!(out, b"{\"path\":\"/a\"}\n");
    let none = Settings { fields: vec![LogField::Client, LogField::Path], clients: ClientShown::None, ..few };
    let mut out = Vec::new();
    line::write(&record(b"/a"), &none, &mut out);
    assert_eq!(out, b"{\"path\":\"/a\"}\n");
}

#[test]
fn queries_of_our_own_endpoints_are_not_logged() {
    let few = Settings { fields: vec![LogField::Query], ..settings("x".into()) };
    let query = |target: &[u8]| {
        let mut out = Vec::new();
        line::write(&record(target), &few, &mut out);
        String::from_utf8(out).unwrap()
    };
    for target in [
        "/.sluice/move?queue=shop&t=a.b.c",
        "/.SLUICE/move?queue=shop&s=a.b.c",
        "/%2eslu%69ce/move?t=a.b.c",
        "/a/../.sluice/move?t=a.b.c",
        "/..sluice/move?t=a.b.c",
        "http://shop.example.com/.sluice/move?t=a.b.c",
        "/login?to=/.sluice/move?t=a.b.c",
        "/login?to=%2F.sluice%2Fmove%3Ft%3Da.b.c",
    ] {
        assert_eq!(query(target.as_bytes()), "{}\n", "{target}");
    }
    for target in ["/sluice?t=a", "/.sluic.e?t=a", "/.slu%ice?t=a", "/a?t=a", "/.%73luic?t=a"] {
        assert_eq!(query(target.as_bytes()), "{\"query\":\"t=a\"}\n", "{target}");
    }
}

#[test]
fn long_parts_are_cut() {
    let mut out = Vec::new();
    let few = Settings { fields: vec![LogField::Path, LogField::Query], ..settings("x".into()) };
    line::write(&record(&[b"/", &[b'p'; 5_000][..], b"?", &[b'q'; 5_000][..]].concat()), &few, &mut out);
    assert!((2_048..2_200).contains(&out.len()), "{}", out.len());
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = Arc::new(AccessLog::default());
    let lane = log.lane();
    assert!(lane.begin(false).is_none(), "nothing is logged yet");
    log.take(Some(&settings(path.clone())));
    assert!(lane.begin(true).is_none(), "polls are not asked for");
    lane.end(record(b"/one"));
    until("the first line", || log.counts().1 == 1);
    std::fs::rename(&path, folder.path().join("access.log.1")).unwrap();
    log.reopen();
    until("the writer has heard", || !log.reopens.load(Ordering::Relaxed));
    lane.end(record(b"/two"));
    log.end();
    assert_eq!(lines(&folder.path().join("access.log.1"))[0]["path"], "/one");
    assert_eq!(lines(&path)[0]["path"], "/two");
    assert_eq!(log.counts(), (0, 2));
}

/// Where there is such a device: everything written to it meets a full disk.
#[test]
fn a_full_disk_loses_lines_and_nothing_else() {
    let log = Arc::new(AccessLog::default());
    let lane = log.lane();
    log.take(Some(&settings("/dev/full".into())));
    (0..100).for_each(|_| lane.end(record(b"/lost")));
    until("all are counted", || log.counts().0 == 100);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    log.take(Some(&settings(path.clone())));
    lane.end(record(b"/kept"));
    log.end();
    assert_eq!((log.counts(), lines(&path)[0]["path"].as_str()), ((100, 1), Some("/kept")));
}

#[test]
fn what_a_worker_has_waiting_is_bounded() {
    let log = Arc::new(AccessLog::default());
    let lane = log.lane();
    (0..WAITING_MAX + 10).for_each(|_| lane.end(record(b"/")));
    assert_eq!(log.counts().0, 10);
}
