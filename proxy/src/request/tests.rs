use super::*;

fn value_of(edit: Option<Edit>) -> Option<HeaderValue> {
    match edit? {
        Edit::Set(_, value) => Some(value),
        Edit::Remove(_) => None,
    }
}

#[test]
fn what_is_written_takes_one_allocation_and_may_be_of_any_length() {
    let set = |text: &str| Edit::set(http::header::VIA, format_args!("{text}, {}", 7));
    for length in [0, 1, VALUE_BYTES - 4, VALUE_BYTES - 3, VALUE_BYTES - 2, VALUE_BYTES, 10 * VALUE_BYTES] {
        let text = "x".repeat(length);
        assert_eq!(value_of(set(&text)).as_ref().map(HeaderValue::as_bytes), Some(format!("{text}, 7").as_bytes()));
    }
    assert_eq!(value_of(set("a\nb")), None);
    let counted = allocation_counter::measure(|| assert!(set("1.1 sluice-shop-0123456789ab").is_some()));
    assert_eq!(counted.count_total, 1, "{counted:?}");
}
