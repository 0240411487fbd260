use crate::{
    diagnostics::Kind,
    testing::{Dir, queue},
};

#[track_caller]
fn wrong(lines: &str, says: &str, advises: &str) {
    Dir::tenant(&queue(lines)).is_wrong(Kind::Syntax, says, advises);
}

#[test]
fn a_pair_as_in_yaml_is_called_one() {
    for line in ["«burst: 60»", "\t«burst: 60»", "  «burst : 60»", "«mode: \"auto\"»", "«message: Soon»"] {
        wrong(line, "`key: value`, as in YAML", "`=` for `:`");
    }
    // Behind a tab too, which a message shows as a blank.
    let tab = Dir::tenant(&queue("burst:\t60")).mistakes();
    assert_eq!((tab[0].text(), tab[0].message()), ("burst: 60", "not TOML: `key: value`, as in YAML and JSON"));
    wrong("«origin:»", "a name with `:`", "`[name]`");
    wrong("«paths:»\n  - /a\n  - /b", "a name with `:`", "`key = [");
}

#[test]
fn a_pair_as_in_yaml_that_may_hold_a_secret_is_called_one_and_not_shown() {
    for line in ["\"burst\": 60", "password: hunter2", "user:hunter2", "paths = { a: \"hunter2\" }"] {
        let mistakes = Dir::tenant(&queue(line)).mistakes();
        assert_eq!(
            (mistakes[0].text(), mistakes[0].message()),
            ("***", "not TOML: `key: value`, as in YAML and JSON"),
            "{line}"
        );
    }
}

#[test]
fn a_colon_in_a_value_is_no_pair() {
    wrong("message = «http://x»", "string values must be quoted", "in quotes");
    wrong("message = \"a\" «:» b", "not TOML", "");
}

#[test]
fn typographic_quotes_are_called_so() {
    for line in ["message = “Soon”", "message = „Soon“", "message = ‘Soon’", "paths = [“/a”]", "paths = [\"/a\", ”/b”]"]
    {
        let mistakes = Dir::tenant(&queue(line)).mistakes();
        assert_eq!(mistakes[0].message(), "not TOML: a typographic quote", "{line}");
        assert!(mistakes[0].help().contains("straight quotes"), "{line}");
        let column = line.chars().position(|c| "“„‘”".contains(c)).unwrap() + 1;
        assert_eq!((mistakes.len(), mistakes[0].line(), mistakes[0].column()), (1, 8, column), "{line}");
    }
    wrong("message = \"Soon«”»", "typographic quote", "straight quotes");
    wrong("paths = [\n  \"/a\",\n  \"/b«”,»\n]\nburst = 3", "typographic quote", "straight quotes");
    let key = Dir::tenant(&queue("“message” = \"Soon\"")).mistakes();
    assert_eq!((key[0].text(), key[0].message()), ("***", "not TOML: a typographic quote"));
}

#[test]
fn typographic_quotes_in_texts_and_comments_are_not_blamed() {
    wrong("message = \"“Soon”\"\nmode = «auto»", "must be quoted", "in quotes");
    wrong("mode = «auto» # “automatic”", "must be quoted", "in quotes");
    wrong("«message = \"it’s late»", "invalid basic string", "in quotes");
    assert_eq!(Dir::tenant(&queue("message = \"“Soon”\"")).only_queue().message.as_deref(), Some("“Soon”"));
}
