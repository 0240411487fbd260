#![allow(clippy::unwrap_used)]

use std::{fs, io::BufReader};

use serde_json::json;
use tempfile::TempDir;

use super::{
    chain::{Broken, Chain},
    file::File,
    *,
};

fn entry(action: &'static str) -> Entry {
    Entry {
        actor: "person:ann".into(),
        role: "manager",
        action,
        target: "shop/sale".into(),
        request: "r1".into(),
        why: Some("checkout is slow".into()),
        detail: json!({ "release_per_minute": 300 }),
    }
}

async fn written(count: usize) -> TempDir {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    for _ in 0..count {
        audit.note(entry("override.set")).await.unwrap();
    }
    dir
}

fn follow(bytes: &[u8]) -> Result<Chain, Broken> {
    Chain::EMPTY.follow(BufReader::new(bytes), &mut |_, _| {})
}

#[tokio::test]
async fn a_change_is_recorded_before_and_after() {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    let begun = audit.begin(entry("queue.reset")).await.unwrap();
    let recorded = audit.after(0, 10).await.unwrap();
    assert_eq!((recorded.len(), recorded[0].0.outcome), (1, Outcome::Requested));
    begun.end(Outcome::Done, json!({ "epoch": 2 })).await;
    let recorded = audit.after(1, 10).await.unwrap();
    assert_eq!((recorded[0].0.seq, recorded[0].0.outcome), (2, Outcome::Done));
    assert_eq!(audit.head().await, (2, recorded[0].1.clone()));
}

#[tokio::test]
async fn a_log_goes_on_after_a_restart() {
    let dir = written(3).await;
    let audit = Audit::open(dir.path()).unwrap();
    audit.note(entry("login")).await.unwrap();
    assert_eq!(follow(&fs::read(dir.path().join(FILE)).unwrap()).unwrap().seq, 4);
}

/// Whatever is changed in the file, the chain is broken there or the record is cut off.
#[tokio::test]
async fn any_change_to_a_record_is_found() {
    let dir = written(3).await;
    let sound = fs::read(dir.path().join(FILE)).unwrap();
    for at in (0..sound.len()).step_by(7) {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        assert!(follow(&changed).is_err(), "byte {at}");
    }
    let lines: Vec<_> = sound.split_inclusive(|&b| b == b'\n').collect();
    let dropped = [lines[0], lines[2]].concat();
    assert!(matches!(follow(&dropped), Err(Broken::Order { line: 2, before: 1, found: 3 })));
    let swapped = [lines[1], lines[0], lines[2]].concat();
    assert!(matches!(follow(&swapped), Err(Broken::Order { line: 1, before: 0, found: 2 })));
    // A chain cannot show by itself that its end is missing: the hash that is kept elsewhere does.
    let cut = follow(&[lines[0], lines[1]].concat()).unwrap();
    assert_ne!(cut.hash, follow(&sound).unwrap().hash);
}

#[tokio::test]
async fn a_record_that_a_crash_cut_off_is_removed() {
    let dir = written(2).await;
    let path = dir.path().join(FILE);
    let sound = fs::read(&path).unwrap();
    fs::write(&path, [&sound[..], b"0123"].concat()).unwrap();
    assert!(matches!(follow(&fs::read(&path).unwrap()), Err(Broken::Torn { line: 3, .. })));
    let audit = Audit::open(dir.path()).unwrap();
    audit.note(entry("login")).await.unwrap();
    assert_eq!(follow(&fs::read(&path).unwrap()).unwrap().seq, 3);
}

#[tokio::test]
async fn a_damaged_log_is_set_aside_and_kept() {
    let dir = written(2).await;
    let path = dir.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[80] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    audit.note(entry("login")).await.unwrap();
    assert_eq!(audit.head().await.0, 1);
    assert_eq!(fs::read(dir.path().join("audit.jsonl.damaged-1")).unwrap(), bytes);
}

#[test]
fn a_full_file_is_kept_and_the_chain_goes_on_in_the_next() {
    let dir = TempDir::new().unwrap();
    let open = || File::open_with(dir.path(), 1_000).unwrap();
    let record = |seq| Record {
        seq,
        at: String::new(),
        actor: "person:ann".into(),
        role: "admin".into(),
        action: "login".into(),
        target: String::new(),
        request: "r".into(),
        why: None,
        outcome: Outcome::Done,
        detail: json!("x".repeat(200)),
    };
    for seq in 1..=10 {
        // As after a restart each time.
        open().append(&record(seq)).unwrap();
    }
    let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 5, "{files:?}");
    let mut chain = Chain::EMPTY;
    for path in files {
        chain = chain.follow(BufReader::new(fs::File::open(path).unwrap()), &mut |_, _| {}).unwrap();
    }
    assert_eq!((chain.first, chain.seq, chain.hash), (1, 10, open().hash()));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused() {
    let dir = written(1).await;
    let audit = Audit::open(dir.path()).unwrap();
    let too_long = Entry { detail: json!("x".repeat(chain::LINE_BYTES_MAX)), ..entry("override.set") };
    assert!(audit.begin(too_long).await.is_err());
    audit.note(entry("login")).await.unwrap();
    assert_eq!(follow(&fs::read(dir.path().join(FILE)).unwrap()).unwrap().seq, 2);
}

/// Damage in the current file must not make the one after it look damaged at each start.
#[tokio::test]
async fn a_log_goes_on_after_damage_where_the_last_full_file_ended() {
    let dir = written(2).await;
    let path = dir.path().join(FILE);
    fs::rename(&path, dir.path().join("audit-000000000002.jsonl")).unwrap();
    fs::write(&path, "no record\n").unwrap();
    for seq in [3, 4] {
        let audit = Audit::open(dir.path()).unwrap();
        audit.note(entry("login")).await.unwrap();
        assert_eq!(audit.head().await.0, seq);
    }
    assert!(!dir.path().join("audit.jsonl.damaged-2").exists());
    fs::write(dir.path().join("audit-000000000002.jsonl"), "no record\n").unwrap();
    assert!(Audit::open(dir.path()).is_ok(), "visitors must not suffer for it");
}
