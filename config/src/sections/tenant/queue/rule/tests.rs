use std::net::IpAddr;

use super::*;
use crate::{
    diagnostics::Kind,
    testing::{Dir, queue},
};

/// A config whose queue has one rule of these lines.
fn dir(lines: &str) -> Dir {
    Dir::tenant(&queue(&format!("[[queue.rule]]\nname = \"one\"\n{lines}")))
}

fn read(lines: &str) -> Rule {
    dir(lines).only_queue().rules[0].clone()
}

#[track_caller]
fn wrong(lines: &str, says: &str, advises: &str) {
    dir(lines).is_wrong(Kind::Malformed, says, advises);
}

#[test]
fn every_condition_arrives() {
    let rule = read(
        "when = { methods = [\"POST\"], path = \"/hooks/*\", path_regex = \"/hooks/[a-z]+\", hosts = [\"*.example.com\"], \
         clients = [\"192.0.2.0/24\"], headers = { stripe-signature = \"*\" }, cookies = { a = \"b\" }, query = { c = \"d*\" }, \
         not = { path = [\"/hooks/a\", \"/hooks/b\"] } }\naction = \"pass\"",
    );
    let When { all, not } = rule.when;
    assert_eq!((rule.name.as_str(), &rule.action, rule.action.word()), ("one", &RuleAction::Pass, "pass"));
    assert_eq!(all.methods, [http::Method::POST]);
    assert!(all.paths[0].matches("/hooks/x") && all.path_regex.unwrap().matches("/hooks/x"));
    assert!(all.hosts[0].matches("shop.example.com") && !all.hosts[0].matches("example.com"));
    assert!(all.clients.unwrap().contains(IpAddr::from([192, 0, 2, 9])));
    assert!(all.headers[0].0 == "stripe-signature" && all.headers[0].1.is_any());
    assert!(all.cookies[0].0 == "a" && all.cookies[0].1.matches(b"b") && !all.cookies[0].1.matches(b"bb"));
    assert!(all.query[0].0 == "c" && all.query[0].1.matches(b"dx"));
    assert_eq!(not.unwrap().paths.len(), 2);
}

#[test]
fn a_star_in_a_value_is_any_characters() {
    for (pattern, value, expected) in [
        ("*", "", true),
        ("a*", "ab", true),
        ("*a", "ab", false),
        ("a*a", "a", false),
        ("a*b*c", "axxbxxc", true),
        ("a*b*c", "acb", false),
        ("*ab*ab*", "abab", true),
        ("*ab*ab*", "aba", false),
        ("A", "a", false),
    ] {
        let rule = read(&format!("when = {{ path = \"/a\", headers = {{ x = \"{pattern}\" }} }}\naction = \"pass\""));
        assert_eq!(rule.when.all.headers[0].1.matches(value.as_bytes()), expected, "{pattern} {value}");
    }
}

#[test]
fn a_preset_fills_in_what_is_not_written_and_demands_what_makes_it_safe() {
    let rule = read("preset = \"payment_callbacks\"\nwhen = { path = \"/pay\", headers = { x-signature = \"*\" } }");
    assert_eq!((rule.action, rule.when.all.methods), (RuleAction::Pass, vec![http::Method::POST]));
    let rule =
        read("preset = \"health_checks\"\nwhen = { path = \"/up\", methods = [\"HEAD\"], clients = [\"10.0.0.0/8\"] }");
    assert_eq!(rule.when.all.methods, [http::Method::HEAD]);
    for (preset, when, advises) in [
        ("payment_callbacks", "{ path = \"/pay\" }", "`headers` or"),
        ("payment_callbacks", "{ headers = { x = \"*\" } }", "the `path`"),
        ("health_checks", "{ path = \"/up/*\", clients = [\"10.0.0.1\"] }", "without wildcards"),
        ("health_checks", "{ path = \"/up\" }", "`clients`"),
        ("crawlers", "{ headers = { user-agent = \"*bot*\" } }", "clients_file"),
    ] {
        wrong(&format!("preset = \"{preset}\"\nwhen = «{when}»"), "more than what the preset", advises);
    }
    let dir =
        dir("preset = \"crawlers\"\nwhen = { clients_file = \"crawlers.json\", headers = { user-agent = \"*\" } }")
            .with("crawlers.json", "{\"prefixes\":[{\"ipv4Prefix\":\"66.249.64.0/19\"}]}");
    let rule = dir.only_queue().rules[0].clone();
    assert!(rule.when.all.clients.unwrap().contains(IpAddr::from([66, 249, 64, 1])));
}

#[test]
fn a_rule_that_passes_whoever_likes_to_is_refused() {
    for (when, says) in [
        ("{ headers = { user-agent = \"*Googlebot*\" } }", "by `user-agent` passes everybody"),
        ("{ path = \"/a\", headers = { user-agent = \"*bot*\" } }", "by `user-agent`"),
        ("{ path = \"/**.js\" }", "by the ending of a file"),
        ("{ path = \"/**/*.css\" }", "by the ending of a file"),
        ("{ path = [\"/assets/*\", \"/*.js\"] }", "by the ending of a file"),
        ("{ path = \"/**\" }", "passes every request"),
        ("{ }", "passes every request"),
        ("{ clients = [\"0.0.0.0/0\"] }", "everybody"),
        ("{ clients = [\"10.0.0.0/8\", \"::/0\"] }", "everybody"),
        ("{ path = \"/caf%C3%A9\" }", "would pass nothing"),
    ] {
        wrong(&format!("when = «{when}»\naction = \"pass\""), says, "");
        // What only makes more wait hurts nobody.
        read(&format!("when = {when}\naction = \"queue\""));
    }
}

#[test]
fn what_a_rule_may_pass_by_surprise_is_a_note() {
    let notes = |lines: &str| dir(lines).config().notes(crate::testing::now()).join("\n");
    for (when, says) in [
        ("{ path = \"/shop/**/*.js\" }", "by the ending of a file"),
        ("{ path_regex = \"/.*\\\\.js\" }", "begin anyhow"),
        ("{ headers = { x-key = \"abc\" } }", "everybody who sends"),
    ] {
        let said = notes(&format!("when = {when}\naction = \"pass\""));
        assert!(said.contains(says) && said.contains("rule \"one\" of queue shop"), "{when}: {said}");
    }
    assert_eq!(notes("when = { path = \"/assets/*.js\" }\naction = \"pass\""), "");
    let two =
        "when = { }\naction = \"queue\"\n[[queue.rule]]\nname = \"two\"\nwhen = { path = \"/a\" }\naction = \"pass\"";
    assert!(notes(two).contains("rule \"two\" of queue shop never matches"));
    let elsewhere = "[[queue.rule]]\nname = \"one\"\nwhen = { path = \"/b/*\" }\naction = \"pass\"";
    let dir = Dir::tenant(&queue(&format!("paths = [\"/a\"]\n{elsewhere}")));
    assert!(dir.config().notes(crate::testing::now()).join("\n").contains("none of the queue's"));
}

#[test]
fn mistakes_stand_at_their_places() {
    wrong("when = { path = «\"hooks\"» }\naction = \"queue\"", "starts with `/`", "\"/hooks/*\"");
    wrong("when = { path_regex = «\"(\"» }\naction = \"queue\"", "cannot be used", "simpler");
    wrong("when = { methods = [«\"post\"»] }\naction = \"queue\"", "not a method", "capitals");
    wrong("when = { headers = { host = «\"x\"» } }\naction = \"queue\"", "does not see", "`hosts`");
    wrong("when = { headers = { x-forwarded-for = «\"x\"» } }\naction = \"queue\"", "does not see", "`clients`");
    wrong(
        "when = { cookies = { sluice_pass_a = «\"*\"» } }\naction = \"queue\"",
        "one of Sluice's own",
        "passes anyway",
    );
    wrong("when = { query = { a = «\"\"» } }\naction = \"queue\"", "the pattern is empty", "any value");
    wrong("when = { path = \"/a\", not = «{ }» }\naction = \"queue\"", "`not` is empty", "must not be");
    dir("when = { clients_file = «\"none.txt\"» }\naction = \"queue\"").is_wrong(
        Kind::Unreadable,
        "cannot be read",
        "none.txt",
    );
    dir("when = { path = \"/a\" }")
        .mistakes()
        .iter()
        .for_each(|m| assert!(m.message().contains("`action` is missing")));
    let twice = "when = { path = \"/a\" }\naction = \"pass\"\n[[queue.rule]]\nname = «\"one\"»\nwhen = { path = \"/b\" }\naction = \"pass\"";
    dir(twice).is_wrong(Kind::Duplicate, "rule name", "keep one");
}

#[test]
fn a_rule_puts_into_a_lane_of_its_queue() {
    let lanes = "[[queue.lane]]\nname = \"general\"\n[[queue.lane]]\nname = \"members\"\n";
    let dir = |head: &str, rule: &str| {
        Dir::tenant(&queue(&format!("{head}\nname = \"one\"\nwhen = {{ path = \"/club/*\" }}\n{rule}\n{lanes}")))
    };
    let rule = dir("[[queue.rule]]", "action = \"lane\"\nlane = \"members\"").only_queue().rules[0].clone();
    assert_eq!((rule.action.word(), rule.action), ("lane", RuleAction::Lane(Name::new("members").unwrap())));
    let unknown = dir("[[queue.rule]]", "action = \"lane\"\nlane = «\"staff\"»");
    unknown.is_wrong(Kind::Conflict, "no lane \"staff\"", "\"general\" or \"members\"");
    for (rule, kind, says) in [
        ("action = \"lane\"", Kind::Missing, "`lane` is missing"),
        ("action = \"queue\"\nlane = \"members\"", Kind::Conflict, "without `action = \"lane\"`"),
        ("preset = \"payment_callbacks\"\nlane = \"members\"", Kind::Conflict, "without `action = \"lane\"`"),
    ] {
        dir("«[[queue.rule]]»", rule).is_wrong(kind, says, "`lane");
    }
}

#[test]
fn a_rule_names_no_lane_where_the_queue_has_none() {
    let rule = |lane: &str| format!("when = {{ path = \"/a\" }}\naction = \"lane\"\nlane = {lane}");
    dir(&rule("«\"members\"»")).is_wrong(Kind::Conflict, "no lane \"members\"", "[[queue.lane]]");
    // A lane that is wrong itself is reported once, and not again by the rules that name it.
    let wrong = format!("{}\n[[queue.lane]]\nname = \"members\"\nweight = «0»", rule("\"members\""));
    dir(&wrong).is_wrong(Kind::OutOfRange, "weight", "1 to 100");
}
