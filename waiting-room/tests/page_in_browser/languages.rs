//! What the server and the browser say of a language is the same.

use std::time::Duration;

use sluice_config::Language;
use sluice_waiting_room::words::locale;

use crate::bench::{
    browser::visit,
    site::{Policy, Script},
    visit::element,
};

/// What the server writes by itself is what the browser's data of CLDR say, wherever it has any.
#[test]
fn plural_forms_and_digits_are_those_of_cldr() {
    const NUMBERS: [u64; 31] = [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        10,
        11,
        12,
        14,
        15,
        19,
        20,
        21,
        22,
        24,
        25,
        100,
        101,
        102,
        103,
        110,
        111,
        121,
        1234,
        12_345,
        1_000_000,
        123_456_789,
    ];
    let ask = format!(
        "<!doctype html><meta charset=utf-8><pre id=\"said\"></pre><script>
        const said = [];
        for (const tag of {tags:?}) {{
          const known = Intl.NumberFormat.supportedLocalesOf(tag).length > 0;
          const rules = new Intl.PluralRules(tag), format = new Intl.NumberFormat(tag);
          for (const n of {NUMBERS:?}) {{
            said.push(tag + \" \" + n + \" \" + rules.select(n) + \" \" + (known ? format.format(n) : \"?\"));
          }}
          said.push(tag + \" \" + rules.resolvedOptions().pluralCategories.slice().sort().join());
        }}
        document.getElementById(\"said\").textContent = said.join(\"\\n\");
        </script>",
        tags = Language::all().map(Language::tag).collect::<Vec<_>>(),
    );
    let site = Script::default().file("/cldr", Policy::Left, ask).serve();
    let dom = visit(&site.url("/cldr"), Duration::from_secs(5));
    let said = element(&dom, "said").unwrap().replace("&nbsp;", "\u{a0}");
    let mut known = 0;
    let mut lines = said.lines();
    for language in Language::all() {
        for n in NUMBERS {
            let line = lines.next().unwrap();
            let digits = if line.ends_with('?') { "?".to_owned() } else { locale::number(language, n) };
            known += u32::from(digits != "?");
            assert_eq!(line, format!("{language} {n} {} {digits}", locale::plural(language, n).name()));
        }
        let mut forms: Vec<_> = locale::plurals(language).iter().map(|form| form.name()).collect();
        forms.sort_unstable();
        assert_eq!(lines.next().unwrap(), format!("{language} {}", forms.join(",")));
    }
    assert!(known > 40 * 31, "the browser knows most of them");
}
