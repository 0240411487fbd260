use serde_json::{Value, json};

use super::*;
use crate::samples::{STATES, WAITING, standing};

fn parsed(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn says_what_and_where_the_sender_stands() {
    let problem = parsed(|out| write(out, 429, "shop", &WAITING, Some("Back at \"noon\"")));
    assert_eq!(problem["type"], "urn:sluice:problem:waiting");
    assert_eq!(problem["title"], "Waiting in line");
    assert_eq!(problem["status"], 429);
    let status = parsed(|out| status::write(out, "shop", &WAITING, Some("Back at \"noon\"")));
    assert_eq!(problem["sluice"], status);
}

#[test]
fn every_state_has_its_own_type_title_and_detail() {
    let mut seen = std::collections::HashSet::new();
    for state in STATES {
        let problem = parsed(|out| write(out, 429, "shop", &standing(state), None));
        assert_eq!(problem["type"], format!("urn:sluice:problem:{}", state.as_str()));
        for member in ["type", "title", "detail"] {
            assert!(seen.insert(problem[member].as_str().unwrap().to_owned()), "{state:?} {member}");
        }
    }
}

#[test]
fn a_refusal_gives_its_reason() {
    assert_eq!(
        parsed(|out| refused(out, Refusal::BadRequest("the path has an encoded \"/\""))),
        json!({
            "type": "urn:sluice:problem:bad_request",
            "title": "This address cannot be opened",
            "status": 400,
            "detail": "The request was refused: the path has an encoded \"/\". \
                       Check the address, or go to the site's start page.",
        })
    );
    let unknown = parsed(|out| refused(out, Refusal::UnknownSite));
    assert_eq!(unknown["type"], "urn:sluice:problem:unknown_site");
    assert_eq!(unknown["status"], 421);
}

/// Percent-encoding is for bytes outside space to tilde and for `%` itself.
#[test]
fn grpc_messages_need_no_encoding() {
    for state in STATES {
        let message = grpc_message(state);
        assert!(!message.is_empty());
        assert!(message.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'%'), "{message}");
    }
}
