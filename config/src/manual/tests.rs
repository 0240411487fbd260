use super::*;
use crate::testing::generated;

/// `SLUICE_WRITE=1 cargo nextest run -p sluice-config` writes it anew.
#[test]
fn manual_is_up_to_date() {
    generated("README.md", |manual| with_tables(manual).unwrap());
}

#[test]
fn marks_that_name_nothing_are_errors() {
    assert_eq!(with_tables("no mark"), Ok("no mark".to_owned()));
    assert!(with_tables("<!-- keys: sluice.toml [sever] -->\n<!-- end -->").unwrap_err().contains("[sever]"));
    assert!(with_tables("<!-- keys: sluice.toml [server] -->\n").unwrap_err().contains("no end"));
    assert!(with_tables("<!-- keys: sluice.toml").is_err());
}

#[test]
fn every_table_has_its_place_in_the_manual() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    // One that stands in several places is explained once.
    let mut explained = std::collections::BTreeSet::new();
    for file in [&NODE_FILE, &TENANT_FILE] {
        file.top.walk(&[], &mut |path, section| {
            if !explained.insert(std::ptr::from_ref(section)) {
                return;
            }
            let name = match path {
                [] => file.name.to_owned(),
                [_] if section.has_heading() => format!("{} {}", file.name, section.name),
                _ => section.name.to_owned(),
            };
            let has_rows = section.keys.iter().any(|key| !key.form().section().is_some_and(Section::has_heading));
            // How a secret is kept is shown by an example.
            let is_shown = manual.contains(&format!("{MARK}{name}{MARK_END}"));
            assert!(is_shown || !has_rows || name == "a secret", "{name}");
        });
    }
}
