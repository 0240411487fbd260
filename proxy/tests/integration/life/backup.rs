//! `sluice backup` and `sluice restore`: what a node has, taken while it runs and put back where nothing is left.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown, symlink},
    path::PathBuf,
    process::Output,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::{
    servers::Server,
    support::{Node, Scene, Setup, Visitor, scene::FAST, until},
};

const ONE_SEAT: &str = "release_per_minute = 6000\nburst = 1000\nmax_active = 1";

fn state(node: &Node) -> PathBuf {
    node.folder.path().join("state")
}

fn run(node: &Node, args: &[&str]) -> Output {
    let config = node.folder.path().to_str().unwrap();
    node.command(&[args, &["--config", config]].concat()).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", str::from_utf8(&output.stdout).unwrap(), str::from_utf8(&output.stderr).unwrap())
}

/// Backs the node up, and returns where to.
fn back_up(node: &Node) -> String {
    let to = node.folder.path().join("backup.tar.gz").to_str().unwrap().to_owned();
    let done = run(node, &["backup", "--to", &to]);
    assert!(done.status.success(), "{}", text(&done));
    to
}

fn restore(node: &Node, args: &[&str]) -> String {
    let done = run(node, &[&["restore"], args].concat());
    assert!(done.status.success(), "{}", text(&done));
    text(&done)
}

async fn joined(scene: &Scene, names: &[&str]) -> Vec<Visitor> {
    let mut visitors = Vec::new();
    for name in names {
        let mut visitor = scene.visitor(name).await;
        visitor.join().await;
        visitors.push(visitor);
    }
    visitors
}

/// Comes, and is let in once the line does not listen any more.
async fn let_in(visitor: &mut Visitor) {
    until("it is let in", async || visitor.open("/").await.is_from_origin().then_some(())).await;
}

/// One is inside with the number `first`, and others wait; two come after the backup. All that the node had is lost, and the backup put back.
async fn lost_and_restored(mut scene: Scene, first: u64, lose: impl FnOnce()) {
    let mut inside = scene.visitor("inside").await;
    let_in(&mut inside).await;
    let mut before = joined(&scene, &["2", "3"]).await;
    let backup = back_up(&scene.node);
    let mut after = joined(&scene, &["4", "5"]).await;
    scene.node.kill();
    fs::remove_dir_all(state(&scene.node)).unwrap();
    lose();
    restore(&scene.node, &["--from", &backup]);
    scene.node.start().await;

    inside.reconnect(&scene.node).await;
    let_in(&mut inside).await;
    for (visitor, number) in before.iter_mut().chain(&mut after).zip(first + 1..) {
        visitor.reconnect(&scene.node).await;
        // The line is held while it listens.
        let status = visitor.until_state("waiting").await;
        assert_eq!(status.number, Some(number), "who returns keeps the place");
    }
    let mut newcomer = scene.visitor("newcomer").await;
    newcomer.join().await;
    let number = newcomer.poll().await.number;
    assert!(number > Some(first + 4), "no number is given twice: {number:?}");
    inside.leave().await;
    before[0].until_state("called").await;
    for visitor in before[1..].iter_mut().chain(&mut after).chain([&mut newcomer]) {
        assert_eq!(visitor.poll().await.state, "waiting", "the order is kept");
    }
}

#[tokio::test]
async fn a_restored_line_goes_on_with_those_who_return_and_gives_no_number_twice() {
    let scene = Scene::set_up(|shop| shop.queue("shop", ONE_SEAT), Setup::keeps_ports).await;
    lost_and_restored(scene, 1, || ()).await;
}

#[tokio::test]
async fn a_shared_line_is_healed_from_a_backup_when_redis_is_lost_as_well() {
    let server = Server::start();
    let store = format!("url = \"redis://127.0.0.1:{}\"", server.port);
    let prepare = |setup: Setup| setup.keeps_ports().store(&store);
    let settings = format!("{ONE_SEAT}\non_store_loss = \"hold\"");
    let scene = Scene::set_up(|shop| shop.queue("shop", &settings), prepare).await;
    let known = state(&scene.node);
    // What the node knows of the line reaches its disk within a second.
    let known = until("the node has written down what it knows", async || {
        fs::read_dir(&known).ok()?.flatten().find(|file| file.file_name().to_string_lossy().ends_with(".known"))
    });
    let mut first = scene.visitor("first").await;
    let_in(&mut first).await;
    first.leave().await;
    known.await;
    lost_and_restored(scene, 2, || server.command::<()>(&["FLUSHALL"])).await;
}

#[tokio::test]
async fn nothing_is_restored_over_what_is_there() {
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), Setup::keeps_ports).await;
    scene.visitor("a").await.walk_in().await;
    let backup = back_up(&scene.node);

    let running = run(&scene.node, &["restore", "--from", &backup, "--replace"]);
    assert_eq!(running.status.code(), Some(1));
    assert!(text(&running).contains("another sluice is running"), "{}", text(&running));
    scene.node.kill();

    let there = run(&scene.node, &["restore", "--from", &backup]);
    assert_eq!(there.status.code(), Some(1));
    assert!(text(&there).contains("shop.shop.1.journal") && text(&there).contains("--replace"), "{}", text(&there));

    let said = restore(&scene.node, &["--from", &backup, "--replace", "--dry-run"]);
    assert!(said.contains("would write"), "{said}");
    assert!(!state(&scene.node).join("restored").exists(), "a trial changes nothing");

    restore(&scene.node, &["--from", &backup, "--replace"]);
    let aside = fs::read_dir(state(&scene.node)).unwrap().flatten();
    let aside = aside.map(|entry| entry.path()).find(|path| path.to_str().unwrap().contains("replaced-")).unwrap();
    assert!(aside.join("shop.shop.1.journal").exists(), "what was there is kept");

    let unknown = run(&scene.node, &["restore", "--from", &backup, "--only", "shop/sale"]);
    assert!(text(&unknown).contains("no line shop/sale in the backup; there are: shop/shop"), "{}", text(&unknown));
}

#[tokio::test]
async fn a_node_of_a_fleet_is_not_restored_while_it_runs_and_nothing_is_written_before_that_is_known() {
    let server = Server::start();
    let store = format!("url = \"redis://127.0.0.1:{}\"", server.port);
    let settings = format!("{FAST}\non_store_loss = \"hold\"");
    let mut scene =
        Scene::set_up(|shop| shop.queue("shop", &settings), |setup| setup.keeps_ports().store(&store)).await;
    let_in(&mut scene.visitor("a").await).await;
    let gone = scene.node.folder.path().join("tenants/gone.toml");
    let tenant = scene.node.folder.read("tenants/shop.toml");
    fs::write(
        &gone,
        tenant.replace("name = \"shop\"", "name = \"gone\"").replace("shop.example.com", "gone.example.com"),
    )
    .unwrap();
    let backup = back_up(&scene.node);
    fs::remove_file(&gone).unwrap();

    let running = run(&scene.node, &["restore", "--from", &backup, "--replace"]);
    assert_eq!(running.status.code(), Some(1));
    assert!(text(&running).contains("another sluice is running"), "{}", text(&running));
    assert!(!gone.exists(), "a tenant that was removed stays away from a running node");
    scene.node.kill();
    restore(&scene.node, &["--from", &backup, "--replace", "--only", "shop/shop"]);
    assert!(!gone.exists(), "one line was asked for");
    restore(&scene.node, &["--from", &backup, "--replace"]);
    assert!(gone.exists());
}

#[tokio::test]
async fn what_was_revoked_after_the_backup_stays_revoked_and_a_log_that_was_rolled_since_is_moved_aside() {
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), Setup::keeps_ports).await;
    scene.visitor("a").await.walk_in().await;
    let void = state(&scene.node).join("void.json");
    fs::write(&void, "before").unwrap();
    fs::write(state(&scene.node).join("audit.jsonl"), "first\n").unwrap();
    let backup = back_up(&scene.node);
    scene.node.kill();
    fs::write(&void, "after").unwrap();
    let rolled = state(&scene.node).join("audit-1.jsonl");
    fs::rename(state(&scene.node).join("audit.jsonl"), &rolled).unwrap();
    fs::write(state(&scene.node).join("audit.jsonl"), "second\n").unwrap();

    restore(&scene.node, &["--from", &backup, "--replace"]);
    assert_eq!(fs::read_to_string(&void).unwrap(), "after");
    assert_eq!(fs::read_to_string(state(&scene.node).join("audit.jsonl")).unwrap(), "first\n");
    assert!(!rolled.exists(), "it does not follow the log that came back");
}

#[tokio::test]
async fn a_config_that_is_gone_comes_back_and_one_that_is_there_is_kept() {
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), Setup::keeps_ports).await;
    scene.visitor("a").await.walk_in().await;
    let backup = back_up(&scene.node);
    scene.node.kill();
    fs::remove_dir_all(state(&scene.node)).unwrap();
    let folder = scene.node.folder.path();
    let tenant = fs::read_dir(folder.join("tenants")).unwrap().flatten().next().unwrap().path();
    let was = fs::read(&tenant).unwrap();
    fs::remove_file(&tenant).unwrap();
    let server = fs::read_to_string(folder.join("sluice.toml")).unwrap() + "\n# Changed since.\n";
    fs::write(folder.join("sluice.toml"), &server).unwrap();

    let said = restore(&scene.node, &["--from", &backup]);
    assert!(said.contains("sluice.toml: kept as it is; the backup has another"), "{said}");
    assert_eq!(fs::read(&tenant).unwrap(), was);
    assert_eq!(fs::read_to_string(folder.join("sluice.toml")).unwrap(), server);
    scene.node.start().await;
    let_in(&mut scene.visitor("b").await).await;
}

/// Or a node that runs as another user than the administrator could not be started. Only root can give files away.
#[tokio::test]
async fn what_an_administrator_restores_belongs_to_the_owner_of_the_state_directory() {
    const OWNER: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can give files away");
        return;
    }
    let mut scene = Scene::shop(FAST).await;
    let_in(&mut scene.visitor("inside").await).await;
    let backup = back_up(&scene.node);
    scene.node.kill();
    let state = state(&scene.node);
    fs::remove_dir_all(&state).unwrap();
    fs::create_dir(&state).unwrap();
    chown(&state, Some(OWNER), Some(OWNER)).unwrap();
    restore(&scene.node, &["--from", &backup]);
    let files: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|path| path.ends_with("lock")), "{files:?}");
    for path in files {
        let about = fs::symlink_metadata(&path).unwrap();
        assert_eq!((about.uid(), about.gid()), (OWNER, OWNER), "{}", path.display());
    }
}

/// The state directory belongs to the user of the node, and whoever restores it may be root.
#[tokio::test]
async fn a_restore_refuses_links_and_fifos_under_the_names_that_it_needs_and_touches_nothing_outside() {
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), Setup::keeps_ports).await;
    scene.visitor("a").await.walk_in().await;
    let state = state(&scene.node);
    fs::create_dir_all(state.join("history")).unwrap();
    fs::write(state.join("history/other.json"), "{}").unwrap();
    let backup = back_up(&scene.node);
    scene.node.kill();
    let outside = scene.node.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "outside").unwrap();

    let is_refused = |name: &str| {
        let done = run(&scene.node, &["restore", "--from", &backup, "--replace"]);
        let said = text(&done);
        assert_eq!(done.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(&format!("{name}: it is a link, or no ")), "{name}: {said}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{name}: nothing is written outside");
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "outside", "{name}");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "{name}: nothing is written at all");
    };
    let links = [
        ("lock", "file"),
        ("lock", "new"),
        ("restored", "file"),
        ("void.json", "file"),
        ("shop.shop.1.journal", "file"),
        ("shop.shop.9.journal", "new"),
        ("history", ""),
    ];
    for (name, to) in links {
        fs::remove_dir_all(&state).unwrap();
        fs::create_dir(&state).unwrap();
        symlink(outside.join(to), state.join(name)).unwrap();
        is_refused(name);
    }

    fs::remove_dir_all(&state).unwrap();
    symlink(&outside, &state).unwrap();
    is_refused("state");

    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    mknodat(CWD, state.join("lock"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    is_refused("lock");

    fs::remove_file(state.join("lock")).unwrap();
    restore(&scene.node, &["--from", &backup]);
    assert!(state.join("history/other.json").exists());
}
