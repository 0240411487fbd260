#![allow(clippy::unwrap_used)]
use super::*;

fn via(lines: &[&'static str]) -> HeaderMap {
    lines.iter().map(|line| (header::VIA, HeaderValue::from_static(line))).collect()
}

fn signed(fleet: &Fleet, headers: &HeaderMap) -> HeaderMap {
    let mut edits = Vec::new();
    fleet.sign(headers, Version::HTTP_2, "shop", &mut edits);
    let [Edit::Set(name, value)] = &edits[..] else { panic!("{edits:?}") };
    [(name.clone(), value.clone())].into_iter().collect()
}

#[test]
fn a_fleet_knows_what_it_has_sent_for_a_tenant_and_nothing_else() {
    let (ours, others) = (Fleet::of(b"ours"), Fleet::of(b"theirs"));
    let sent = signed(&ours, &via(&["1.1 cdn (Varnish)", "", "1.0 fred"]));
    let text = sent[header::VIA].to_str().unwrap();
    assert!(text.starts_with("1.1 cdn (Varnish), 1.0 fred, 2 sluice-shop-"), "{text}");
    assert!(ours.has_sent(&sent, "shop"));
    assert!(!ours.has_sent(&sent, "press") && !others.has_sent(&sent, "shop"));
    assert!(!Fleet::default().has_sent(&sent, "shop") && !ours.has_sent(&HeaderMap::new(), "shop"));
    let through_both = signed(&others, &sent);
    assert!(ours.has_sent(&through_both, "shop") && others.has_sent(&through_both, "shop"));
    // A comment or a name that merely holds it is something else.
    let name = text.rsplit(' ').next().unwrap().to_owned();
    assert!(ours.is_named("shop", name.as_bytes()));
    for text in [format!("1.1 x ({name})"), format!("1.1 x{name}"), name.clone(), format!("1.1 {name}.example")] {
        let headers = [(header::VIA, HeaderValue::try_from(&text).unwrap())].into_iter().collect();
        assert!(!ours.has_sent(&headers, "shop"), "{text}");
    }
}

#[test]
fn only_an_options_counts_its_forwards() {
    let headers = |value: &'static str| [(MAX_FORWARDS.clone(), HeaderValue::from_static(value))].into_iter().collect();
    for (value, left) in [("0", Some(0)), ("7", Some(7)), ("", None), ("-1", None), ("+1", None), ("99999999999", None)]
    {
        assert_eq!(max_forwards(&Method::OPTIONS, &headers(value)), left, "{value}");
        assert_eq!(max_forwards(&Method::GET, &headers(value)), None);
    }
    let mut edits = Vec::new();
    count_down(&Method::OPTIONS, &headers("7"), &mut edits);
    assert_eq!(edits, [Edit::Set(MAX_FORWARDS.clone(), HeaderValue::from(6))]);
}
