//! The board that nodes share in Redis: what is put up is seen by all, for as long as was said, and it is bounded.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "redis/servers.rs"]
mod servers;

use std::time::{Duration, Instant};

use servers::{Cluster, Server};
use sluice_admission::store::{Note, Redis};

const LONG: Duration = Duration::from_secs(60);

fn note(name: &str, text: &str, keep: Duration) -> Note {
    Note { name: name.to_owned(), text: text.to_owned(), keep }
}

async fn texts(store: &Redis, board: &str) -> Vec<(String, String)> {
    let notes = store.board(board, &[], 100).await.unwrap().notes;
    let mut texts: Vec<_> = notes.into_iter().map(|note| (note.name, note.text)).collect();
    texts.sort();
    texts
}

async fn until_empty(store: &Redis, board: &str) {
    let end = Instant::now() + LONG;
    while !texts(store, board).await.is_empty() {
        assert!(Instant::now() < end, "the note is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nodes_see_what_each_other_put_up_and_the_newest_of_a_name() {
    let server = Server::start();
    let (a, b) = (Redis::new(&server.settings()), Redis::new(&server.settings()));
    a.board("nodes", &[note("a", "1", LONG), note("b", "2", LONG)], 100).await.unwrap();
    b.board("nodes", &[note("b", "ü\n\0", LONG)], 100).await.unwrap();
    let (of_a, of_b) = (("a".into(), "1".into()), ("b".into(), "ü\n\0".into()));
    assert_eq!(texts(&a, "nodes").await, [of_a, of_b]);
    assert_eq!(texts(&a, "others").await, []);
    let kept = a.board("nodes", &[], 100).await.unwrap().notes[0].keep;
    assert!(kept > LONG / 2 && kept <= LONG, "{kept:?}");
}

#[tokio::test]
async fn a_note_ends_when_it_was_said_to() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    store.board("nodes", &[note("a", "1", Duration::from_millis(20))], 100).await.unwrap();
    until_empty(&store, "nodes").await;
}

#[tokio::test]
async fn a_full_board_takes_only_what_is_there_already() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    let put = async |name: &str, text: &str| store.board("nodes", &[note(name, text, LONG)], 2).await.unwrap().refused;
    assert_eq!((put("a", "1").await, put("b", "1").await, put("c", "1").await, put("a", "2").await), (0, 0, 1, 0));
    assert_eq!(texts(&store, "nodes").await, [("a".into(), "2".into()), ("b".into(), "1".into())]);
}

#[tokio::test]
async fn it_works_in_a_cluster_and_after_scripts_were_flushed() {
    let cluster = Cluster::start();
    let store = Redis::new(&cluster.settings());
    for board in ["nodes", "void", "x"] {
        store.board(board, &[note("a", board, LONG)], 100).await.unwrap();
        assert_eq!(texts(&store, board).await, [("a".into(), board.into())]);
    }
    let server = Server::start();
    let store = Redis::new(&server.settings());
    store.board("nodes", &[note("a", "1", LONG)], 100).await.unwrap();
    let _: redis::Value = server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(texts(&store, "nodes").await.len(), 1);
}
