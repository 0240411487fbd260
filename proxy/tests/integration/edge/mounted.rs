//! Secrets as Kubernetes mounts them: root's, behind two symbolic links, readable by the group of the process.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    process::{Command, Output},
};

use crate::support::{Tenant, node::ConfigFolder};

const GROUP: u32 = 4_242;

/// A folder whose key is mounted: `key` -> `..data/key` -> `..2026/key`, with this mode and group.
fn folder(mode: u32, group: Option<u32>) -> ConfigFolder {
    let folder = ConfigFolder::new();
    folder.write("sluice.toml", "[keys]\ncurrent = \"a\"\nsecrets = { a = { file = \"mounted/key\" } }\n");
    let shop = Tenant::shop("127.0.0.1:1".parse().unwrap()).queue("shop", "release_per_minute = 60");
    folder.write_tenant(&shop);
    let mounted = folder.path().join("mounted");
    fs::create_dir_all(mounted.join("..2026")).unwrap();
    let key = mounted.join("..2026/key");
    fs::write(&key, "c2x1aWNlIHNsdWljZSBzbHVpY2Ugc2x1aWNlIHNsdWk=").unwrap();
    symlink("..2026", mounted.join("..data")).unwrap();
    symlink("..data/key", mounted.join("key")).unwrap();
    if let Some(group) = group {
        chown(&key, Some(0), Some(group)).unwrap();
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    // The folders are everybody's to look into, as mounts are.
    for path in [folder.path().to_owned(), mounted.clone(), mounted.join("..2026")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// `sluice check`, as another user or in another place.
fn check(by: &[&str], folder: &ConfigFolder) -> Output {
    let (program, args) = by.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(args).arg(env!("CARGO_BIN_EXE_sluice")).args(["check", "--config"]).arg(folder.path());
    command.output().unwrap_or_else(|error| panic!("{program} is needed (apt-get install util-linux): {error}"))
}

#[track_caller]
fn is_taken(by: &[&str], folder: &ConfigFolder, expected: bool) {
    let out = check(by, folder);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.success(), expected, "{by:?}: {said}");
    assert!(
        expected || said.contains("other users may read or change the file") || said.contains("cannot be read"),
        "{said}"
    );
}

/// In a user namespace this process is root, and so is the owner of its files.
#[test]
fn a_key_of_root_that_the_process_has_by_its_own_group_is_taken() {
    let root = ["unshare", "--user", "--map-root-user"];
    is_taken(&root, &folder(0o440, None), true);
    is_taken(&root, &folder(0o400, None), true);
    for mode in [0o444, 0o640, 0o460] {
        is_taken(&root, &folder(mode, None), false);
    }
}

/// As in a pod with `runAsUser` and `fsGroup`. Only root can become somebody else.
#[test]
fn a_key_of_root_that_the_process_has_by_another_group_is_taken() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can become somebody else");
        return;
    }
    let pod = ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "4242"];
    is_taken(&pod, &folder(0o440, Some(GROUP)), true);
    is_taken(&pod, &folder(0o444, Some(GROUP)), false);
    let outsider = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    is_taken(&outsider, &folder(0o440, Some(GROUP)), false);
}
