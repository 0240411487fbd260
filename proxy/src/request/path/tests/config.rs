//! What a config accepts, the table takes: else `sluice check` would find no mistake where `sluice run` does.
#![allow(clippy::unwrap_used)]

use std::fs;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sluice_config::Config;

use crate::request::path::PrefixTable;

/// Prefixes made of what is easily taken for something else.
fn prefixes() -> impl Strategy<Value = Vec<String>> {
    let piece = prop::sample::select(vec![
        "a", "a", "A", "b", "/", "/", "*", "+", "%2B", "=", "%3D", ";", "%3B", "%3b", ";v=1", "|", "%7C", "%22", ".",
        "%2E", "%20", "%3F", "%23", "%25", "41", "%C3%A9", "%C0", "%AF", "%E0", "%80", "é", "%5C", "%2f", "%00", "~",
    ]);
    let prefix = prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("/{}", pieces.concat()));
    prop::collection::vec(prefix, 1..4)
}

fn config(prefixes: &[String]) -> Option<Config> {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tenants")).unwrap();
    fs::write(dir.path().join("sluice.toml"), "[server]\n").unwrap();
    let tenant = "name = \"shop\"\nhosts = [\"shop.example.com\"]\n[origin]\nservers = [\"127.0.0.1:9000\"]\n";
    let queue = format!("[[queue]]\nname = \"shop\"\nrelease_per_minute = 600\npaths = {prefixes:?}\n");
    fs::write(dir.path().join("tenants/shop.toml"), format!("{tenant}{queue}")).unwrap();
    sluice_config::load(dir.path()).ok()
}

fn table(prefixes: &[String]) -> Result<PrefixTable<()>, crate::request::path::BadPrefix> {
    PrefixTable::new(prefixes.iter().map(|prefix| (prefix, ())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_prefix_that_a_config_accepts_has_a_place_of_its_own(prefixes in prefixes()) {
        if let Some(config) = config(&prefixes) {
            prop_assert_eq!(&config.tenants[0].queues[0].paths, &prefixes);
            prop_assert!(table(&prefixes).is_ok(), "{:?}", table(&prefixes));
        }
    }
}

/// Or the test above would show nothing. Always the same prefixes, so that this cannot fail by chance.
#[test]
fn some_of_the_prefixes_are_accepted_and_some_are_refused() {
    let mut runner = TestRunner::deterministic();
    let accepted = (0..500).filter(|_| config(&prefixes().new_tree(&mut runner).unwrap().current()).is_some());
    let accepted = accepted.count();
    assert!((50..450).contains(&accepted), "{accepted} of 500");
}
