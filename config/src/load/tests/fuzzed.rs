//! What holds of whatever is written in a file.

use crate::testing::{Dir, fuzz};

/// Files are taken whole, and the same each time, or every mistake in them has words.
fn files(bytes: &[u8]) {
    let (file, bytes) = match bytes.strip_prefix(b"# node\n") {
        Some(bytes) => ("sluice.toml", bytes),
        None => ("tenants/shop.toml", bytes),
    };
    let dir = Dir::new().with_bytes(file, bytes);
    match (dir.load(), dir.load()) {
        (Ok(config), Ok(again)) => assert_eq!(format!("{config:?}"), format!("{again:?}")),
        (Err(errors), Err(again)) => {
            assert_eq!(errors.to_string(), again.to_string());
            assert!(!errors.to_string().is_empty() && !errors.pretty(false).to_string().is_empty());
        }
        (first, second) => panic!("{first:?}, then {second:?}"),
    }
}

#[test]
fn fuzzed_files_are_taken_whole_or_refused_in_words() {
    let samples =
        [include_str!("../../../sample/tenants/shop.toml"), include_str!("../../../sample-fleet/tenants/shop.toml")];
    let node = format!("# node\n{}", include_str!("../../../sample-fleet/sluice.toml"));
    let made = samples.map(Into::into).into_iter().chain([node.into()]).collect();
    fuzz::run(env!("CARGO_MANIFEST_DIR"), "files", made, 300, files);
}
