use proptest::prelude::*;

use super::*;
use crate::token::{Pass, Slip, Ticket};

fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

fn text<C: Claims>(claims: &C, tag: Option<[u8; TAG_LEN]>) -> String {
    String::from_utf8(encode(&name("shop"), &name("sale"), claims, tag).as_bytes().to_vec()).expect("ASCII")
}

const SLIP: Slip = Slip { id: 0, issued_at_ms: 1, lane: crate::line::LaneId::FIRST };
const PASS: Pass = Pass { epoch: 1, number: (2 << 50) + 3, issued_at_ms: 4, expires_at_ms: 5, ends_at_ms: 6 };
const TICKET_MAX: Ticket = Ticket {
    epoch: u64::MAX,
    number: (1 << 53) - 1,
    issued_at_ms: u64::MAX,
    ahead_first: u64::MAX,
    ahead_shown: u64::MAX,
};

#[test]
fn claims_are_written_in_their_own_order() {
    assert_eq!(text(&SLIP, None), r#"{"t":"shop","q":"sale","d":0,"i":1}"#);
    assert_eq!(text(&PASS, None), r#"{"t":"shop","q":"sale","e":1,"l":2,"n":3,"i":4,"x":5,"h":6}"#);
    assert_eq!(
        text(&SLIP, Some([0xff; TAG_LEN])),
        r#"{"t":"shop","q":"sale","d":0,"i":1,"b":"_____________________w"}"#
    );
}

/// A lane has one spelling: none if it is the first.
#[test]
fn a_slip_says_its_lane_unless_it_is_the_first() {
    let slip = Slip { lane: crate::line::LaneId::from_code(7), ..SLIP };
    let written = text(&slip, None);
    assert_eq!(written, r#"{"t":"shop","q":"sale","d":0,"i":1,"l":7}"#);
    let claims = |text: &str| decode::<Slip>(text.as_bytes()).map(|payload| payload.claims);
    assert_eq!((claims(&written), claims(&text(&SLIP, None))), (Some(slip), Some(SLIP)));
    for forged in ["0", "4294967296", "07", "-1"] {
        assert_eq!(claims(&written.replace(":7}", &format!(":{forged}}}"))), None, "{forged}");
    }
}

#[test]
fn the_longest_payload_fits() {
    let longest = name(&"x".repeat(Name::LEN_MAX));
    let written = encode(&longest, &longest, &TICKET_MAX, Some([0xff; TAG_LEN]));
    assert!(written.as_bytes().len() <= PAYLOAD_LEN_MAX);

    let read = decode::<Ticket>(written.as_bytes()).expect("our own");
    assert_eq!(read.tenant, longest.as_str().as_bytes());
    assert_eq!(read.claims, Ticket { issued_at_ms: TIME_MS_MAX, ..TICKET_MAX }, "a time past the bound is the bound");
    assert_eq!(read.tag, Some([0xff; TAG_LEN]));
}

#[test]
fn a_kind_reads_no_other() {
    assert_eq!(decode::<Slip>(text(&PASS, None).as_bytes()), None);
    assert_eq!(decode::<Ticket>(text(&PASS, None).as_bytes()), None);
    assert_eq!(decode::<Pass>(text(&SLIP, None).as_bytes()), None);
}

proptest! {
    #[test]
    fn integers_are_written_as_everybody_writes_them(value: u64) {
        let written = text(&Slip { id: value, ..SLIP }, None);
        prop_assert_eq!(written, format!(r#"{{"t":"shop","q":"sale","d":{value},"i":1}}"#));
    }

    #[test]
    fn what_is_read_has_one_spelling(
        tenant in "[a-z0-9][a-z0-9_-]{0,32}",
        digits in "0|[1-9][0-9]{0,20}|[-+0-9.e]{0,4}",
        time in "[0-9]{0,16}",
        tag in r#"(,"b":"[A-Za-z0-9_=-]{21}[AQgwBC]")?"#,
        end in r"\}|\}.|",
    ) {
        let input = format!(r#"{{"t":"{tenant}","q":"sale","d":{digits},"i":{time}{tag}{end}"#);
        if let Some(read) = decode::<Slip>(input.as_bytes()) {
            let tenant = Name::new(&tenant).expect("what is read as a name is one");
            let again = encode(&tenant, &name("sale"), &read.claims, read.tag);
            prop_assert_eq!(again.as_bytes(), input.as_bytes());
        }
    }
}

/// What is read of any bytes would be written as these bytes, and as no others.
fn fuzzed(bytes: &[u8]) {
    fn exact<C: Claims>(bytes: &[u8]) {
        let Some(payload) = decode::<C>(bytes) else { return };
        let name = |bytes: &[u8]| Name::new(std::str::from_utf8(bytes).ok()?);
        let (Some(tenant), Some(queue)) = (name(payload.tenant), name(payload.queue)) else { return };
        let written = encode(&tenant, &queue, &payload.claims, payload.tag);
        assert_eq!(written.as_bytes(), bytes);
    }
    exact::<Slip>(bytes);
    exact::<Ticket>(bytes);
    exact::<Pass>(bytes);
    exact::<crate::token::Move>(bytes);
}

#[test]
fn fuzzed_payloads_have_one_spelling() {
    let made = [text(&SLIP, None), text(&PASS, None), text(&TICKET_MAX, Some([7; TAG_LEN]))];
    let made = made.map(String::into_bytes).into();
    crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "payloads", made, 50_000, fuzzed);
}
