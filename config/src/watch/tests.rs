use super::*;
use crate::testing::{Dir, KEY, queue};

fn with_secret() -> Dir {
    let node = "[keys]\ncurrent = \"a\"\nsecrets = { a = { file = \"a.key\" } }\n";
    let dir = Dir::node(node).with("a.key", KEY);
    only_mine(&dir);
    dir
}

#[cfg(unix)]
fn only_mine(dir: &Dir) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir.path().join("a.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn only_mine(_: &Dir) {}

/// A change is told once it has come to rest, hence the second question.
fn changed(watch: &mut Watch) -> bool {
    watch.changed() || watch.changed()
}

#[test]
fn nothing_changes_by_itself() {
    let dir = with_secret();
    let (mut watch, config) = Watch::load(dir.path());
    assert!(config.is_ok());
    // State files may well be kept in the folder.
    let dir = dir.with("state/shop.line", "1").with("README.md", "notes").with("tenants/.shop.toml.swp", "");
    assert!(!changed(&mut watch));
    drop(dir);
}

#[test]
fn every_file_counts() {
    let dir = with_secret();
    let (mut watch, _) = Watch::load(dir.path());
    let mut told = |what: &str| {
        assert!(changed(&mut watch), "{what}");
        let _ = watch.reload();
        assert!(!changed(&mut watch), "{what}, once");
    };
    let dir = dir.with("tenants/shop.toml", &queue("burst = 1"));
    told("tenant changed");
    let dir = dir.with("tenants/new.toml", &queue(""));
    told("tenant added");
    let dir = dir.without("tenants/new.toml");
    told("tenant removed");
    let dir = dir.with("a.key", &KEY.replace('c', "d"));
    told("secret changed");
    let dir = dir.without("a.key");
    told("secret removed");
    let dir = dir.with("a.key", KEY);
    told("secret restored, if for everybody to read");
    only_mine(&dir);
    #[cfg(unix)]
    told("permissions changed");
    let dir = dir.without("sluice.toml");
    told("everything gone");
    drop(dir);
}

#[test]
fn file_that_is_being_written_is_left_alone() {
    let dir = Dir::new();
    let (mut watch, _) = Watch::load(dir.path());
    let mut dir = dir;
    for burst in 1..5 {
        dir = dir.with("tenants/shop.toml", &queue(&format!("burst = {burst}")));
        let longer = "#".repeat(burst);
        dir = dir.with("sluice.toml", &longer);
        assert!(!watch.changed());
    }
    assert!(watch.changed());
    assert_eq!(watch.reload().unwrap().tenants[0].queues[0].burst.get(), 4);
    assert!(!changed(&mut watch));
}

#[test]
fn config_that_does_not_load_is_reported_once_and_again_when_it_does() {
    let dir = Dir::new();
    let (mut watch, config) = Watch::load(dir.path());
    let running = config.unwrap();
    let dir = dir.with("sluice.toml", "nonsense");
    assert!(changed(&mut watch));
    assert!(watch.reload().is_err());
    assert!(!changed(&mut watch));
    let dir = dir.with("sluice.toml", "[server]\n# fine\n");
    assert!(changed(&mut watch));
    assert_eq!(watch.reload().unwrap(), running);
    drop(dir);
}

#[test]
fn folder_may_come_later() {
    let dir = Dir::new();
    let later = dir.path().join("later");
    let (mut watch, config) = Watch::load(&later);
    assert!(config.is_err());
    std::fs::create_dir_all(later.join("tenants")).unwrap();
    std::fs::copy(dir.path().join("sluice.toml"), later.join("sluice.toml")).unwrap();
    std::fs::copy(dir.path().join("tenants/shop.toml"), later.join("tenants/shop.toml")).unwrap();
    assert!(changed(&mut watch));
    assert!(watch.reload().is_ok());
}
