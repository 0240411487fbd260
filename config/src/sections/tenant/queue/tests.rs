use super::*;
use crate::testing::{Dir, ORIGIN, QUEUE, TENANT, queue, tenant};

#[track_caller]
fn wrong(lines: &str, kind: Kind, says: &str, advises: &str) {
    Dir::tenant(&queue(lines)).is_wrong(kind, says, advises);
}

fn read(lines: &str) -> Queue {
    Dir::tenant(&queue(lines)).only_queue()
}

#[test]
fn a_moment_of_opening_says_how_far_it_is_from_utc() {
    let lines = "closed_as = \"not_open\"\nopens_at = «\"2026-12-01\"»";
    wrong(lines, Kind::Malformed, "its distance from UTC", "2026-12-01T10:00:00+01:00");
}

#[test]
fn every_key_arrives() {
    let queue = read(
        "paths = [\"/a\", \"/b/\"]\nburst = 600\nmax_active = 5\nmax_waiting = 6\nsession_idle = \"5s\"\n\
         session_max = \"10s\"\nclaim_within = \"7s\"\nreturn_within = \"20s\"\nmode = \"drain\"\n\
         on_store_loss = \"admit\"\nwait_status = 202\nmessage = \"Soon.\\nReally.\"\nclosed_as = \"not_open\"\n\
         opens_at = \"2026-12-01T10:00:00+01:00\"\nboard = false",
    );
    let number = NonZeroU32::new;
    let expected = Queue {
        name: Name::new("shop").unwrap(),
        paths: vec!["/a".into(), "/b/".into()],
        release_per_minute: number(600).unwrap(),
        burst: number(600).unwrap(),
        max_active: number(5),
        max_waiting: number(6).unwrap(),
        session_idle: Duration::from_secs(5),
        session_max: Duration::from_secs(10),
        claim_within: Duration::from_secs(7),
        return_within: Duration::from_secs(20),
        mode: Mode::Drain,
        on_store_loss: Some(OnStoreLoss::Admit),
        wait_status: WaitStatus::Accepted,
        message: Some("Soon.\nReally.".into()),
        closed_as: ClosedAs::NotOpen,
        opens_at_s: Some(1_796_115_600),
        board: false,
        rules: Vec::new(),
        lanes: Vec::new(),
    };
    assert_eq!(queue, expected);
}

#[test]
fn burst_is_a_sixth_at_least_one_at_most_all() {
    let with_release = |release: u32| {
        let queue = format!("{TENANT}{ORIGIN}[[queue]]\nname = \"a\"\nrelease_per_minute = {release}\n");
        Dir::tenant(&queue).only_queue().burst.get()
    };
    assert_eq!([with_release(1), with_release(11), with_release(12), with_release(601)], [1, 1, 2, 100]);
    wrong("burst = «601»", Kind::Conflict, "more than `release_per_minute`, which is 600", "1 to 600");
    wrong("burst = «0»", Kind::OutOfRange, "`burst`", "from 1 to 1,000,000");
}

#[test]
fn burst_is_not_blamed_for_a_release_rate_that_is_wrong() {
    let both = "[[queue]]\nname = \"a\"\nrelease_per_minute = «0»\nburst = 5000\n";
    Dir::tenant(&tenant(&[TENANT, ORIGIN, both])).is_wrong(Kind::OutOfRange, "`release_per_minute`", "1,000,000");
}

#[test]
fn session_ends_after_it_may_be_idle() {
    wrong("session_idle = \"2h\"\nsession_max = «\"1h\"»", Kind::Conflict, "which is 2h", "raise the one");
    wrong("session_max = «\"9m59s\"»", Kind::Conflict, "which is 10m", "raise the one");
    assert_eq!(read("session_idle = \"12h\"").session_max, Duration::from_secs(43_200));
    assert_eq!(read("session_idle = \"1h\"\nsession_max = \"1h\"").session_max, Duration::from_secs(3600));
}

#[test]
fn durations_have_bounds() {
    wrong("session_idle = «\"4s\"»", Kind::OutOfRange, "`session_idle`", "from 5s to 12h");
    wrong("session_max = «\"31days\"»", Kind::OutOfRange, "`session_max`", "from 10s to 30days");
    wrong("claim_within = «\"61m\"»", Kind::OutOfRange, "`claim_within`", "from 5s to 1h");
    wrong("return_within = «\"25h\"»", Kind::OutOfRange, "`return_within`", "from 10s to 1day");
    wrong("return_within = «\"soon\"»", Kind::Malformed, "not a duration", "\"1h30m\"");
    wrong("return_within = «\"30\"»", Kind::Malformed, "the unit is missing", "\"90s\"");
    wrong("return_within = «\"30 blinks\"»", Kind::Malformed, "unknown unit", "\"90s\"");
    wrong("return_within = «\"99999999999999999999s\"»", Kind::Malformed, "too long", "\"90s\"");
    wrong("return_within = «30»", Kind::WrongType, "in quotes, with its unit", "return_within = \"30s\"");
}

#[test]
fn counts_have_bounds() {
    wrong("max_active = «0»", Kind::OutOfRange, "`max_active`", "from 1 to 10,000,000");
    wrong("max_waiting = «10000001»", Kind::OutOfRange, "`max_waiting`", "from 1 to 10,000,000");
    wrong("max_waiting = «99999999999999999999999999999999999999999»", Kind::OutOfRange, "`max_waiting`", "10,000,000");
    wrong("max_waiting = «\"many\"»", Kind::WrongType, "a number, not a string", "max_waiting = 1");
    assert_eq!(read("max_waiting = 1_000").max_waiting.get(), 1000);
    assert_eq!(read("max_waiting = 0x10").max_waiting.get(), 16);
}

#[test]
fn number_in_quotes_is_advised_without_them() {
    wrong("burst = «\"60\"»", Kind::WrongType, "a number, not a string", "`burst = 60`");
    wrong("burst = «\" 1,000 \"»", Kind::WrongType, "a number, not a string", "`burst = 1000`");
    wrong("burst = «60.0»", Kind::WrongType, "a number with a fraction", "`burst = 60`");
    wrong("burst = «\"0\"»", Kind::WrongType, "a number, not a string", "`burst = 1`");
    wrong("wait_status = «\"202\"»", Kind::WrongType, "a number, not a string", "`wait_status = 202`");
}

#[test]
fn words_are_checked() {
    wrong("mode = «\"atuo\"»", Kind::Malformed, "no such mode", "did you mean \"auto\"?");
    wrong(
        "mode = «\"sideways\"»",
        Kind::Malformed,
        "no such mode",
        "\"open\", \"auto\", \"hold\", \"drain\" or \"closed\"",
    );
    wrong("mode = «false»", Kind::WrongType, "a string, not true or false", "mode = ");
    wrong("on_store_loss = «\"drop\"»", Kind::Malformed, "no such on_store_loss", "\"hold\", \"trickle\" or \"admit\"");
}

#[test]
fn loss_of_a_shared_store_has_to_be_thought_about() {
    let text = format!("{TENANT}{ORIGIN}«[[queue]]»\nname = \"a\"\nrelease_per_minute = 1\n");
    let dir = Dir::node("[store]\nurl = \"redis://127.0.0.1\"\n").with("tenants/shop.toml", &text);
    let mistake = dir.mistake();
    assert!(mistake.message().contains("`on_store_loss` is missing"), "{mistake:?}");
    for choice in ["\"hold\": nobody new gets in", "\"trickle\": the line goes on", "\"admit\": everyone gets in"] {
        assert!(mistake.help().contains(choice), "{mistake:?}");
    }
    // However wrong the store is, the choice has to be made.
    let dir = Dir::node("[store]\nurl = \"redis://127.0.0.1\"\ndatabase = «99999»\n").with("tenants/shop.toml", &text);
    dir.check_marks();
}

#[test]
fn wait_status_is_one_of_four() {
    for (code, status) in WaitStatus::ALL.map(|status| (status.code(), status)) {
        assert_eq!(read(&format!("wait_status = {code}")).wait_status, status);
    }
    wrong("wait_status = «404»", Kind::OutOfRange, "not a status", "200, 202, 429 or 503");
    wrong("wait_status = «\"503\"»", Kind::WrongType, "a number, not a string", "wait_status = 503");
}

#[test]
fn message_is_short_plain_text() {
    assert_eq!(read(&format!("message = \"{}\"", "é".repeat(500))).message.unwrap().chars().count(), 500);
    let long = Dir::tenant(&queue(&format!("message = \"{}\"", "é".repeat(501)))).mistakes();
    assert_eq!((long[0].kind(), long[0].message()), (Kind::OutOfRange, "the message has 501 characters"));
    wrong("message = «\" \"»", Kind::Malformed, "empty", "leave the key out");
    wrong("message = «\"a\\u001b[31m\"»", Kind::Malformed, "control characters", "plain text");
}

#[test]
fn names_and_paths_are_unique() {
    let second = |lines: &str| Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, "[[queue]]\n", lines]));
    second("name = «\"shop\"»\npaths = [\"/b\"]\nrelease_per_minute = 1\n").is_wrong(
        Kind::Duplicate,
        "shop.toml:6:8 has it",
        "keep one",
    );
    let text = tenant(&[TENANT, ORIGIN, QUEUE, "«[[queue]]»\nname = \"b\"\nrelease_per_minute = 1\n"]);
    Dir::tenant(&text).is_wrong(Kind::Duplicate, "without `paths` a queue has `/`", "which `paths`");
    second("name = \"b\"\npaths = [\"/b\", «\"/\"»]\nrelease_per_minute = 1\n").is_wrong(
        Kind::Duplicate,
        "path is taken",
        "",
    );
    second("name = \"b\"\npaths = [\"/b\", «\"/b\"»]\nrelease_per_minute = 1\n").is_wrong(
        Kind::Duplicate,
        "path is taken",
        "",
    );
}

#[test]
fn paths_are_counted_and_checked() {
    wrong("paths = «[]»", Kind::OutOfRange, "`paths` has 0 entries", "1 to 50");
    wrong("paths = [«\"a\"»]", Kind::Malformed, "starts with `/`", "\"/a\"");
    wrong("paths = [\"/a\", «\"/a;b\"»]", Kind::Malformed, "`;` begins parameters", "\"/a\"");
    wrong("paths = [\"/a+b\", «\"/a%2Bb\"»]", Kind::Malformed, "`%2B` is a plain character", "\"/a+b\"");
    wrong("paths = [«\"/checkout/*\"»]", Kind::Malformed, "`*` stands for itself", "write \"/checkout\"");
    wrong("paths = [«\"/*\"»]", Kind::Malformed, "`*` stands for itself", "write \"/\"");
    wrong("paths = [\"/sale\", «\"/Sale\"»]", Kind::Duplicate, "path is taken", "");
    wrong("paths = [«1»]", Kind::WrongType, "`paths` must be a string", "");
}
