//! What a node takes of the system: descriptors, every client is one; and memory.

use std::fs;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::{Scene, Setup, scene::FAST};

#[tokio::test]
async fn a_node_takes_all_descriptors_that_it_may_have() {
    // As shells and services start programs: with less than they may have. The node inherits it.
    let hard = 8_000;
    setrlimit(Resource::Nofile, Rlimit { current: Some(hard / 2), maximum: Some(hard) }).unwrap();

    let settings = format!("connections_max = {hard}");
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), |setup: Setup| setup.server(&settings)).await;

    let limits = fs::read_to_string(format!("/proc/{}/limits", scene.node.pid())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut soft_and_hard = files.split_whitespace().map(|limit| limit.parse::<u64>().unwrap_or(0));
    assert_eq!([soft_and_hard.next(), soft_and_hard.next()], [Some(hard); 2]);
    let said = scene.node.log();
    assert!(said.contains("connections_max is") && said.contains("Raise the limit"), "{said}");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_node_has_no_huge_pages_whose_holes_would_count_as_memory_in_use() {
    let scene = Scene::shop(FAST).await;

    let status = fs::read_to_string(format!("/proc/{}/status", scene.node.pid())).unwrap();
    let huge_pages = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    assert_eq!(huge_pages.map(str::trim), Some("0"), "{status}");
}
