use super::*;

fn source(text: &str) -> Source {
    Source::new("a.toml".into(), text.to_owned())
}

#[test]
fn positions_count_characters_from_one() {
    let source = source("ab\r\nçd\n\nx");
    let positions: Vec<_> = [0, 1, 4, 6, 8, 9, 10, 999].map(|offset| source.position(offset)).into();
    assert_eq!(positions, [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2), (4, 2)]);
    assert_eq!(source.place(6).to_string(), "a.toml:2:2");
}

#[test]
fn text_is_one_short_line() {
    let source = source("a = [\n1,\n]\nb = \u{1b}[31m\tç\n");
    assert_eq!(source.text(&(4..10), &[]), "[");
    assert_eq!(source.text(&(11..23), &[]), "b = ?[31m ç");
    let long = self::source(&"ç".repeat(100));
    assert_eq!(long.text(&(0..200), &[]), "ç".repeat(60) + "…");
}

#[test]
fn hidden_text_is_three_stars_whatever_its_length() {
    let source = source("a = \"hunter2\", \"x\"");
    let hunter = std::slice::from_ref(&(4..13));
    assert_eq!(source.text(&(0..18), hunter), "a = ***, \"x\"");
    assert_eq!(source.text(&(4..13), &[4..8, 6..13]), "***");
    let excerpt = source.excerpt(&(15..18), hunter);
    assert_eq!(excerpt.line, "a = ***, \"x\"");
    assert_eq!(&excerpt.line[excerpt.span], "\"x\"");
}

#[test]
fn excerpts_are_the_part_of_the_line_that_matters() {
    let text = format!("first\n{}é<here>é{}\nlast", "a".repeat(500), "b".repeat(500));
    let at = text.find("<here>").unwrap();
    let excerpt = source(&text).excerpt(&(at..at + 6), &[]);
    assert_eq!(&excerpt.line[excerpt.span], "<here>");
    assert_eq!(excerpt.line, format!("{}é<here>é{}", "a".repeat(79), "b".repeat(79)));
    let all = source("one\ntwo\nthree").excerpt(&(4..13), &[]);
    assert_eq!((all.line.as_str(), all.span), ("two", 0..3));
}
