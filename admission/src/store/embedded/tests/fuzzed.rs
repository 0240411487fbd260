//! Whatever the bytes of a journal are.

use super::{super::replay::fuzzed, *};

#[test]
fn fuzzed_journals_are_read_to_the_first_damage_and_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Embedded::with_clock(dir.path(), || START_MS).unwrap();
        for from in [0, 5, 9] {
            store.sync(&line("a"), &rules(), &join(from..from + 5)).await.unwrap();
        }
    });
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let journals = files.filter(|path| path.extension().is_some_and(|end| end == "journal"));
    let made = journals.map(|path| fs::read(path).unwrap()).collect();
    crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "journals", made, 3_000, fuzzed);
}
