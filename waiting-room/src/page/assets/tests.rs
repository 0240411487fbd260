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

/// What [`compact`] relies on, so that an edit of the sources cannot break them unseen.
#[test]
fn the_sources_keep_to_what_compact_expects() {
    for source in [include_str!("../../../templates/page.css"), include_str!("../../../templates/page.js")] {
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
