use super::*;
use crate::testing::{
    Dir, KEY,
    certificates::{Authority, Pair},
    queue, tls,
};

fn with_secret() -> Dir {
    let node = "[keys]\ncurrent = \"a\"\nsecrets = { a = { file = \"a.key\" } }\n";
    Dir::node(node).with_private("a.key", KEY)
}

/// A change is reported once it has come to rest, hence the second question.
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
    let mut noticed = |what: &str| {
        assert!(changed(&mut watch), "{what}");
        let _ = watch.reload();
        assert!(!changed(&mut watch), "{what}, once");
    };
    let dir = dir.with("tenants/shop.toml", &queue("burst = 1"));
    noticed("tenant changed");
    let dir = dir.with("tenants/new.toml", &queue(""));
    noticed("tenant added");
    let dir = dir.without("tenants/new.toml");
    noticed("tenant removed");
    let dir = dir.with("a.key", &KEY.replace('c', "d"));
    noticed("secret changed");
    let dir = dir.without("a.key");
    noticed("secret removed");
    let dir = dir.with("a.key", KEY);
    noticed("secret restored, if readable by all");
    dir.set_mode("a.key", 0o600);
    #[cfg(unix)]
    noticed("permissions changed");
    let dir = dir.without("sluice.toml");
    noticed("everything gone");
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

/// A tenant with a certificate, whose authorities are named too.
fn with_certificate() -> Dir {
    let lines = "certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]\n\
                 client_ca_file = \"tls/clients.pem\"";
    Dir::tenant(&tls(lines)).with("tls/clients.pem", &Authority::root("Clients").pem())
}

#[test]
fn certificates_keys_and_authorities_count() {
    let (first, second) = (Pair::new(&["shop.example.com"]), Pair::new(&["shop.example.com"]));
    let dir = with_certificate().with_pair("shop", &first);
    let (mut watch, config) = Watch::load(dir.path());
    let first = config.unwrap();
    // Half of a renewal does not load, and the other half is noticed all the same.
    let dir = dir.with("tls/shop.pem", &second.chain);
    assert!(changed(&mut watch));
    assert!(watch.reload().is_err());
    let dir = dir.with_private("tls/shop.key", &second.key);
    assert!(changed(&mut watch));
    assert_ne!(watch.reload().unwrap(), first);
    let dir = dir.with("tls/clients.pem", &Authority::root("Others").pem());
    assert!(changed(&mut watch));
    assert!(watch.reload().is_ok());
    assert!(!changed(&mut watch));
    drop(dir);
}

/// Kubernetes mounts a volume as links to files below `..data`, itself a link, which it replaces as a whole.
#[cfg(unix)]
#[test]
fn a_swap_of_kubernetes_links_is_noticed() {
    use std::os::unix::fs::symlink;

    let dir = with_certificate();
    let volume = dir.path().join("tls");
    let mount = |dir: Dir, version: &str, pair: &Pair| {
        let at = |name: &str| format!("tls/..{version}/{name}");
        dir.with(&at("shop.pem"), &pair.chain)
            .with_private(&at("shop.key"), &pair.key)
            .with(&at("clients.pem"), &Authority::root("Clients").pem())
    };
    let swap = |version: &str| {
        symlink(format!("..{version}"), volume.join("..data_tmp")).unwrap();
        std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    let mut dir = mount(dir, "1", &Pair::new(&["shop.example.com"])).without("tls/clients.pem");
    swap("1");
    for name in ["shop.pem", "shop.key", "clients.pem"] {
        symlink(format!("..data/{name}"), volume.join(name)).unwrap();
    }
    let (mut watch, config) = Watch::load(dir.path());
    let mut running = config.unwrap();
    for version in ["2", "3"] {
        dir = mount(dir, version, &Pair::new(&["shop.example.com"]));
        assert!(!changed(&mut watch), "nothing is swapped yet");
        swap(version);
        assert!(changed(&mut watch), "{version}");
        let config = watch.reload().unwrap();
        assert_ne!(config, running);
        running = config;
        assert!(!changed(&mut watch));
    }
}
