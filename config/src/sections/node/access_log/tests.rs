use super::*;
use crate::{
    diagnostics::Kind,
    testing::{Dir, NODE},
};

fn dir(lines: &str) -> Dir {
    Dir::node(&format!("{NODE}[access_log]\n{lines}\n"))
}

#[test]
fn every_key_arrives() {
    let dir = dir("to = \"logs/access.log\"\nfields = [\"time\", \"status\"]\nclients = \"full\"\npolls = true");
    let expected = AccessLog {
        to: LogTarget::File(dir.path().join("logs/access.log")),
        fields: vec![LogField::Time, LogField::Status],
        clients: ClientShown::Full,
        polls: true,
    };
    assert_eq!(dir.config().access_log, Some(expected));
}

#[test]
fn a_line_shows_no_query_and_no_whole_address_unless_told_to() {
    let log = dir("to = \"stdout\"").config().access_log.unwrap();
    assert_eq!((log.to, log.clients, log.polls), (LogTarget::Stdout, ClientShown::Network, false));
    assert!(!log.fields.contains(&LogField::Query) && !log.fields.contains(&LogField::UserAgent));
    assert!(log.fields.contains(&LogField::Path));
    assert_eq!(Dir::new().config().access_log, None);
}

#[test]
fn mistakes_stand_at_their_places() {
    dir("to = «\"stderr\"»").is_wrong(Kind::Malformed, "own log", "\"stdout\"");
    dir("to = «\"off\"»").is_wrong(Kind::Malformed, "nowhere", "leave the table out");
    dir("to = \"stdout\"\nfields = [\"time\", «\"cookie\"»]").is_wrong(Kind::Malformed, "no such", "\"path\"");
    dir("to = \"stdout\"\nfields = [\"time\", «\"time\"»]").is_wrong(Kind::Duplicate, "field", "keep one");
    dir("to = \"stdout\"\nfields = «[]»").is_wrong(Kind::OutOfRange, "0 entries", "1 to 19");
}
