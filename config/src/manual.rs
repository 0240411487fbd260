//! The tables of the manual, `config/README.md`.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::{
    declare::{Absent, AnyKey, Section},
    sections::{NODE_FILE, TENANT_FILE},
};

const MARK: &str = "<!-- keys: ";
const MARK_END: &str = " -->\n";
const TABLE_END: &str = "<!-- end -->";

/// The manual with its tables written anew: each stands between `<!-- keys: NAME -->` and `<!-- end -->`, where the name
/// is that of a file, of a file and a table in it (`sluice.toml [server]`), or of a table elsewhere ("a certificate").
///
/// # Errors
///
/// A mark that names no table, or has no end.
pub fn with_tables(manual: &str) -> Result<String, String> {
    let mut written = String::new();
    let mut rest = manual;
    while let Some((before, marked)) = rest.split_once(MARK) {
        let (name, old) = marked.split_once(MARK_END).ok_or("a mark of a table is not closed")?;
        let section = section(name).ok_or_else(|| format!("no table is called {name}"))?;
        let (_, after) = old.split_once(TABLE_END).ok_or_else(|| format!("the table {name} has no end"))?;
        written.push_str(before);
        // Writing to a String cannot fail.
        let _ = write!(written, "{MARK}{name}{MARK_END}\n{}\n{TABLE_END}", table(section));
        rest = after;
    }
    written.push_str(rest);
    Ok(written)
}

fn section(name: &str) -> Option<&'static Section> {
    let mut found = None;
    for file in [&NODE_FILE, &TENANT_FILE] {
        file.top.walk(&[], &mut |path, section| {
            let is_named = match path {
                [] => name == file.name,
                [_] if section.has_heading() => name.strip_prefix(file.name) == Some(&format!(" {}", section.name)),
                _ => name == section.name,
            };
            if is_named {
                found = Some(section);
            }
        });
    }
    found
}

fn table(section: &Section) -> String {
    let mut table = "| key | meaning | default | bounds |\n|---|---|---|---|\n".to_owned();
    for key in section.keys.iter().filter(|key| !key.form().section().is_some_and(Section::has_heading)) {
        table.push_str(&row(*key));
    }
    table
}

fn row(key: &dyn AnyKey) -> String {
    let default = match key.absent() {
        Absent::Required => "required".to_owned(),
        Absent::Optional(meaning) => meaning.to_owned(),
        Absent::Default(value) => format!("`{value}`"),
    };
    format!("| `{}` | {} | {default} | {} |\n", key.name(), key.doc(), key.form().bounds())
}
