use super::*;
use crate::testing::{Dir, queue};

#[test]
fn plain_lines_are_for_scripts() {
    let dir = Dir::node("[server]\nhtpt = []\n").with("tenants/shop.toml", &queue("mode = \"atuo\""));
    let path = dir.path().display().to_string();
    let said = dir.load().unwrap_err().to_string().replace(&path, "DIR");
    let expected = "\
DIR/sluice.toml:2:1: `htpt`: unknown key in [server]
    did you mean `http`?
DIR/tenants/shop.toml:8:8: `\"atuo\"`: no such mode
    did you mean \"auto\"? Possible are \"open\", \"auto\", \"hold\", \"drain\" or \"closed\"";
    assert_eq!(said, expected);
}

#[test]
fn drawings_are_for_people() {
    let dir = Dir::node("# a comment, not shown\n[server]\nhtpt = [] # here\n# nor this\n");
    let path = dir.path().display().to_string();
    let drawn = dir.load().unwrap_err().pretty(false).replace(&path, "DIR");
    let expected = "\
config::unknown-key

  × `htpt`: unknown key in [server]
   ╭─[DIR/sluice.toml:3:1]
 3 │ htpt = [] 
   · ────
   ╰────
  help: did you mean `http`?
";
    assert_eq!(drawn, expected);
    assert!(dir.load().unwrap_err().pretty(true).contains("\u{1b}["));
}

#[test]
fn drawing_of_a_file_that_is_not_there_names_it() {
    let dir = Dir::new().without("sluice.toml");
    let drawn = dir.load().unwrap_err().pretty(false);
    assert!(drawn.contains("the file cannot be read") && drawn.contains("sluice.toml"), "{drawn}");
}

#[test]
fn errors_are_diagnostics_with_one_each() {
    use miette::Diagnostic as _;
    let errors = Dir::node("[server]\nhtpt = []\nhtps = []\n").load().unwrap_err();
    let codes: Vec<_> = errors.related().unwrap().map(|diagnostic| diagnostic.code().unwrap().to_string()).collect();
    assert_eq!(codes, ["config::unknown-key", "config::unknown-key"]);
}

#[test]
fn what_a_file_says_does_not_drive_the_terminal() {
    let errors = Dir::tenant(&queue("\"\\u001b[31m\" = 1\nmode = \"\u{202e}otua\"")).load().unwrap_err();
    let said = format!("{errors}{}", errors.pretty(false));
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said}");
}

#[test]
fn codes_are_distinct() {
    let codes: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(codes.len(), Kind::ALL.len());
}
