use proptest::prelude::*;

use super::*;

fn map(lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::COOKIE, HeaderValue::from_bytes(line).expect("header value"));
    }
    headers
}

fn stripped(lines: &[&str]) -> Vec<Edit> {
    let mut edits = Vec::new();
    strip(&map(&lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>()), &mut edits);
    edits
}

fn set(value: &'static str) -> Vec<Edit> {
    vec![Edit::Set(header::COOKIE, HeaderValue::from_static(value))]
}

#[test]
fn names_carry_the_host_prefix_only_over_https() {
    let name = CookieName::new(Token::Ticket, "shop");
    assert_eq!(name.as_str(Scope::Host), "__Host-sluice_ticket_shop");
    assert_eq!(name.as_str(Scope::Domain), "__Secure-sluice_ticket_shop");
    assert_eq!(name.as_str(Scope::Plain), "sluice_ticket_shop");
    assert_eq!(CookieName::new(Token::Slip, "a-b").as_str(Scope::Plain), "sluice_slip_a-b");
    assert_eq!(CookieName::new(Token::Pass, "a_b").as_str(Scope::Plain), "sluice_pass_a_b");
}

#[test]
fn values_are_found_over_all_lines_in_order() {
    let headers = map(&[
        b"a=1; sluice_pass_shop=one;sluice_pass_shop = two ",
        b"b",
        b"sluice_pass_shop=x=y; sluice_pass_shops=no",
    ]);
    let [pass, ticket] = find(&headers, ["sluice_pass_shop", "sluice_ticket_shop"]);
    assert_eq!(pass.iter().collect::<Vec<_>>(), [&b"one"[..], b"two", b"x=y"]);
    assert!(!pass.is_empty());
    assert!(ticket.is_empty());
}

#[test]
fn a_value_is_found_behind_any_number_of_others() {
    let many: Vec<String> = (0..500).map(|n| format!("t={n}")).collect();
    let headers = map(&[b"t; t=; a=1", many[..300].join("; ").as_bytes(), many[300..].join(";").as_bytes()]);
    let [candidates, none] = find(&headers, ["t", "u"]);
    let expected = std::iter::once(String::new()).chain((0..500).map(|n| n.to_string()));
    assert!(candidates.iter().map(|value| String::from_utf8_lossy(value).into_owned()).eq(expected));
    assert!(none.is_empty() && none.iter().next().is_none());
}

#[test]
fn a_cookie_that_is_not_text_is_found_as_it_is() {
    let headers = map(&[b"t=\xff\"; u="]);
    let [t, u] = find(&headers, ["t", "u"]);
    assert_eq!(t.iter().collect::<Vec<_>>(), [&b"\xff\""[..]]);
    assert_eq!(u.iter().collect::<Vec<_>>(), [b""]);
}

#[test]
fn nothing_of_ours_changes_nothing() {
    for line in [
        "",
        "a=1",
        "a=1;b=2; c",
        "sluice=1; sluice_=2; sluice_other_x=3; xsluice_pass_a=4; Sluice_pass_a=5",
        "__Host-x=1",
    ] {
        assert_eq!(stripped(&[line]), [], "{line}");
    }
    assert_eq!(stripped(&[]), []);
}

#[test]
fn only_our_cookies_go() {
    assert_eq!(stripped(&["a=1; sluice_pass_shop=x; b=2"]), set("a=1; b=2"));
    assert_eq!(stripped(&["sluice_pass_shop=x; b=2"]), set("b=2"));
    assert_eq!(stripped(&["a=1;  b= 2 ;__Host-sluice_slip_q=;c"]), set("a=1;  b= 2 ;c"));
    assert_eq!(stripped(&["a=1; sluice_ticket_q"]), set("a=1"));
    assert_eq!(stripped(&["sluice_ticket_q=1; __Host-sluice_pass_q=2"]), [Edit::Remove(header::COOKIE)]);
    assert_eq!(stripped(&["a=1", "sluice_ticket_q=1", "b=2"]), set("a=1; b=2"));
    assert_eq!(stripped(&["sluice_ticket_q=1", "b=2"]), set("b=2"));
}

#[test]
fn the_lines_of_http_2_become_one() {
    assert_eq!(stripped(&["a=1", "b=2", "c=3"]), set("a=1; b=2; c=3"));
}

#[test]
fn no_sluice_field_reaches_the_origin() {
    let mut headers = HeaderMap::new();
    for name in
        ["sluice-ticket", "sluice-pass", "sluice-anything", "sluice_pass", "sluicegate", "x-sluice-pass", "accept"]
    {
        headers.append(name, HeaderValue::from_static("x"));
    }
    let mut edits = Vec::new();
    strip(&headers, &mut edits);
    let mut removed: Vec<_> =
        edits.iter().map(|edit| matches!(edit, Edit::Remove(_)).then_some(edit).expect("a removal")).collect();
    removed.sort_by_key(|edit| format!("{edit:?}"));
    let names: Vec<_> = removed.iter().map(|edit| format!("{edit:?}")).collect();
    assert_eq!(
        names,
        ["sluice-anything", "sluice-pass", "sluice-ticket", "sluice_pass"].map(|n| format!("Remove({n:?})"))
    );
}

#[test]
fn cookies_are_written_for_one_host_and_no_script() {
    let name = CookieName::new(Token::Pass, "shop");
    let hour = Duration::from_secs(3600);
    let written =
        |value, scope, same_site, max_age| set_cookie(&name, value, Keep { scope, domain: None, same_site, max_age });
    for (scope, same_site, expected) in [
        (
            Scope::Host,
            SameSite::None,
            "__Host-sluice_pass_shop=a.b-c_d; Path=/; Max-Age=3600; HttpOnly; SameSite=None; Secure",
        ),
        (
            Scope::Host,
            SameSite::Lax,
            "__Host-sluice_pass_shop=a.b-c_d; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure",
        ),
        (Scope::Plain, SameSite::None, "sluice_pass_shop=a.b-c_d; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
        (Scope::Plain, SameSite::Lax, "sluice_pass_shop=a.b-c_d; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
    ] {
        assert_eq!(written("a.b-c_d", scope, same_site, hour).expect("cookie characters"), expected);
    }
    assert_eq!(
        written("", Scope::Plain, SameSite::None, Duration::ZERO).expect("empty"),
        "sluice_pass_shop=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    );
    let shared = |scope| Keep { scope, domain: Some("example.com"), same_site: SameSite::None, max_age: hour };
    assert_eq!(
        [Scope::Domain, Scope::Plain].map(|scope| set_cookie(&name, "a", shared(scope)).expect("cookie characters")),
        [
            "__Secure-sluice_pass_shop=a; Path=/; Domain=example.com; Max-Age=3600; HttpOnly; SameSite=None; Secure",
            "sluice_pass_shop=a; Path=/; Domain=example.com; Max-Age=3600; HttpOnly; SameSite=Lax"
        ]
    );
    for bad in ["a;Domain=example.com", "a b", "a\n", "a,b", "\"a\"", "é"] {
        assert_eq!(written(bad, Scope::Host, SameSite::None, hour), None, "{bad:?}");
    }
}

fn cookie_pairs() -> impl Strategy<Value = Vec<String>> {
    let name = prop_oneof![
        3 => "[a-z_-]{1,8}",
        2 => "(__Host-|__Secure-)?sluice_(slip|ticket|pass)_[a-z]{1,3}",
        1 => "(__Host-|__Secure-)?sluice_[a-z]{0,6}",
    ];
    prop::collection::vec((name, "[!#-+--:<-\\[\\]-~]{0,6}").prop_map(|(name, value)| format!("{name}={value}")), 0..8)
}

proptest! {
    /// What the origin gets is exactly the others, in their order.
    #[test]
    fn stripping_removes_ours_and_nothing_else(lines in prop::collection::vec(cookie_pairs(), 0..4)) {
        let sent: Vec<String> = lines.iter().filter(|line| !line.is_empty()).map(|line| line.join("; ")).collect();
        let kept: Vec<&String> = lines.iter().flatten().filter(|pair| {
            let name = pair.trim_start_matches("__Host-").trim_start_matches("__Secure-");
            !["sluice_slip_", "sluice_ticket_", "sluice_pass_"].iter().any(|prefix| name.starts_with(prefix))
        }).collect();
        let arrived = match stripped(&sent.iter().map(String::as_str).collect::<Vec<_>>()).as_slice() {
            [] => sent.join("; "),
            [Edit::Set(_, value)] => value.to_str().expect("ASCII").to_owned(),
            [Edit::Remove(_)] => String::new(),
            more => panic!("{more:?}"),
        };
        prop_assert_eq!(arrived, kept.iter().map(|pair| pair.as_str()).collect::<Vec<_>>().join("; "));
    }

    /// Whatever `find` can find, `strip` removes.
    #[test]
    fn what_we_would_read_the_origin_never_sees(line in prop::collection::vec(prop_oneof![
        "[ -~]{0,6}", Just("sluice_pass_a=1".to_owned()), Just("__Host-sluice_slip_a".to_owned()),
        Just("__Secure-sluice_pass_a=".to_owned()), Just(";".to_owned()),
        Just("=".to_owned()), Just(" ".to_owned()), Just("\t".to_owned()),
    ], 0..10)) {
        let names = ["sluice_pass_a", "__Host-sluice_pass_a", "__Host-sluice_slip_a", "__Secure-sluice_pass_a"];
        let headers = map(&[line.concat().as_bytes()]);
        let mut edits = Vec::new();
        strip(&headers, &mut edits);
        let after = match edits.as_slice() {
            [] => headers,
            [Edit::Set(_, value)] => map(&[value.as_bytes()]),
            _ => HeaderMap::new(),
        };
        prop_assert!(find(&after, names).iter().all(Candidates::is_empty));
    }
}

/// None of ours is left for the origin, and what is left is made of what came, in its order.
fn fuzzed(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(header::COOKIE, value);
    }
    let mut edits = Vec::new();
    strip(&headers, &mut edits);
    let before: Vec<Vec<u8>> = pairs(&headers).map(<[u8]>::to_vec).collect();
    for edit in edits {
        match edit {
            Edit::Set(name, value) => drop(headers.insert(name, value)),
            Edit::Remove(name) => drop(headers.remove(name)),
        }
    }
    assert!(!any_of_ours(&headers), "{headers:?}");
    let mut came = before.iter();
    assert!(pairs(&headers).all(|left| came.any(|pair| pair == left)), "{headers:?}");
}

#[test]
fn fuzzed_cookies_leave_none_of_ours_and_nothing_new_for_the_origin() {
    crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "cookies", Vec::new(), 50_000, fuzzed);
}
