use super::*;

#[test]
fn a_script_keeps_its_line_breaks_its_strings_and_the_spaces_between_words() {
    let source = "// A comment.\n\nconst a = (b) => {\n  return b + \"a  b // c\" in x;\n};\n";
    assert_eq!(compact(source, "\n", separates_in_script), "const a=(b)=>{\nreturn b+\"a  b // c\" in x;\n};\n");
}

#[test]
fn a_style_keeps_the_spaces_that_select_and_that_part_values() {
    let source = "/* A comment. */\n.a .b > p:empty + span, [c] {\n  margin: 0 .5rem;\n}\n";
    assert_eq!(compact(source, "", separates_in_style), ".a .b>p:empty + span,[c]{margin:0 .5rem;}");
    assert_eq!(compact("@media (a: b) {\n", "", separates_in_style), "@media (a:b){");
}

#[test]
fn names_are_shortened_where_they_stand_by_themselves() {
    let script = "const timer=1;\nf(timer,\"a timer\",x.timer,timers);\n";
    let short = shortened(script);
    assert_eq!(short, "const $L=1;\nf($L,\"a timer\",x.timer,timers);\n".replace("$L", &short[6..8]));
    assert!(short[6..7] == *"$" && short.len() < script.len());
}

/// A member that is called like one of them would be another afterwards.
#[test]
fn names_that_are_shortened_are_nobodys_members() {
    let script = &compact(include_str!("../../../templates/page.js"), "\n", separates_in_script);
    let code: String = script.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    for name in NAMES {
        let uses: Vec<_> = code.match_indices(name).collect();
        assert!(!uses.is_empty(), "{name} is not used any more");
        for (at, _) in uses {
            let (before, after) = (code[..at].chars().next_back(), code[at + name.len()..].chars().next());
            let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$'));
            if is_part(before) || is_part(after) {
                continue;
            }
            let names_a_member = matches!(before, Some('{' | ',')) && matches!(after, Some('}' | ':'));
            assert!(before != Some('.') && !names_a_member, "{name} is a member");
        }
    }
    let short = |nth: usize| format!("${}", char::from(ALPHABET[nth]));
    assert!((0..NAMES.len()).all(|nth| !code.contains(&short(nth))), "a short name is taken");
}

/// What [`compact`] relies on, so that an edit of the sources cannot break them unseen.
#[test]
fn the_sources_keep_to_what_compact_expects() {
    for source in [
        include_str!("../../../templates/page.css"),
        include_str!("../../../templates/page.js"),
        include_str!("../../../templates/board.css"),
        include_str!("../../../templates/board.js"),
    ] {
        for line in source.lines() {
            let line = line.trim();
            assert!(line.matches('"').count().is_multiple_of(2), "a string ends elsewhere: {line}");
            if line.starts_with("/*") {
                assert!(line.ends_with("*/"), "a comment ends elsewhere: {line}");
            } else if !line.starts_with("//") {
                assert!(!line.contains("//") && !line.contains("/*"), "a comment after code: {line}");
                assert!(!line.contains(['\'', '`']), "other quotes: {line}");
            }
        }
    }
}
