use super::*;
use crate::diagnostics::Source;

/// The places of the errors, and the keys that are read nevertheless.
fn parsed(text: &str) -> (Vec<String>, Option<String>) {
    let diagnostics = Diagnostics::new(Source::new("a.toml".into(), text.to_owned()), &crate::sections::KNOWN_KEYS);
    let keys = parse(&diagnostics, |table| {
        let keys = table.iter().map(|(key, value)| match value.get_ref().as_table() {
            Some(table) => {
                let inner: Vec<_> = table.keys().map(|key| key.get_ref().to_string()).collect();
                format!("{}({})", key.get_ref(), inner.join(" "))
            }
            None => key.get_ref().to_string(),
        });
        keys.collect::<Vec<_>>().join(" ")
    });
    let place = |mistake: crate::Mistake| format!("{}:{} {}", mistake.line, mistake.column, mistake.text);
    (diagnostics.close().into_iter().map(place).collect(), keys)
}

#[track_caller]
fn check(text: &str, errors: &[&str], keys: &str) {
    let (found, read) = parsed(text);
    assert_eq!((found.as_slice(), read.as_deref()), (errors.map_owned().as_slice(), Some(keys)), "{text}");
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn valid_text_has_no_errors() {
    check("a = 1\n[b]\nc = [\n  [1, 2],\n  [3],\n]\nd = { e = 1 }\n", &[], "a b(c d)");
    check("", &[], "");
}

#[test]
fn one_mistake_is_one_error_and_the_rest_is_read() {
    check("http = 1\nburst = 10m\nname = 3\n", &["2:9 10m"], "http name");
    check("mode = auto\nname = 3\n", &["1:8 auto"], "name");
    check("http =\nname = 3\n", &["1:1 http ="], "name");
    check("mode = \"auto\nname = 3\n", &["1:1 mode = \"auto"], "name");
    check("name = 1\nname = 2\nmode = 3\n", &["2:1 name"], "mode name");
    check("http = 127.0.0.1:80\nname = 3\n", &["1:13 .0.1:80"], "name");
}

#[test]
fn value_that_never_ends_is_blamed_itself() {
    check("hosts = [\"a\", \"b\"\nname = 3\n[origin]\nmode = 1\n", &["1:1 hosts = [\"a\", \"b\""], "name origin(mode)");
    check("hosts = [\n  \"a\",\n  \"b\"\n\nname = 3\n", &["3:3 \"b\""], "name");
    check("http = {a=1\n[origin]\nmode = 1\n", &["1:1 http =***"], "origin(mode)");
    check("name = 3\nhosts = [\"a\"", &["2:1 hosts = [\"a\""], "name");
}

#[test]
fn broken_header_takes_its_section_with_it() {
    check("[origin\nservers = 1\n[server]\nhttp = 1\n", &["1:1 [origin"], "server(http)");
    check("[a]\nx = 1\n[a]\ny = 2\n[b]\nz = 3\n", &["3:2 a"], "a(x) b(z)");
}

#[test]
fn several_mistakes_are_several_errors() {
    check("mode = a\nname = b\nburst = 1\nhttp = c\n", &["1:8 a", "2:8 b", "4:8 c"], "burst");
}

#[test]
fn text_that_makes_no_sense_is_given_up() {
    let (errors, keys) = parsed("name = \"\"\"\nmode = 1\n[a]\nb = 1\n");
    assert_eq!((errors.len(), keys), (1, None));
    let (errors, _) = parsed(&"mode = ?\n".repeat(50));
    assert_eq!(errors.len(), SYNTAX_ERRORS_MAX);
}
