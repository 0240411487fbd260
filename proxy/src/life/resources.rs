//! What a node takes of the system: as many descriptors as it may have, and memory in small pages, which goes back.

use std::{thread, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::sleep;

/// For listeners, files, the store and idle connections to origins.
const BESIDE_CLIENTS: u64 = 1_000;

/// A client's connection, and the one to the origin that its request has.
const PER_CLIENT: u64 = 2;

/// How often memory that has been free for a second goes back to the system.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(5);

/// Raises the limit of open descriptors as far as it may be raised: shells and services often start programs with 1,024,
/// for the sake of old ones that cannot deal with more. Says so if `connections_max` clients do not fit all the same. Each of
/// them may have a connection to an origin as well.
pub(crate) fn raise_descriptors(connections_max: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let open_max = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    // None: without a limit.
    if let Some(clients) = open_max.map(|max| max.saturating_sub(BESIDE_CLIENTS) / PER_CLIENT)
        && clients < connections_max as u64
    {
        tracing::warn!(
            "this process may open {} files, which is enough for about {clients} clients, each with a request at an origin; connections_max is \
             {connections_max}. Raise the limit (`LimitNOFILE=` of a systemd unit, `ulimit -n`), or lower \
             connections_max",
            open_max.unwrap_or_default()
        );
    }
}

/// No huge pages: the kernel makes them of memory that is in use here and there, and what lay between counts as used from
/// then on, so that a node that needs 36 MB may take 55 all at once. A kernel without them has nothing to refuse.
pub(crate) fn refuse_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Has the allocator give memory back. It looks for what can go once in thousands of requests, and when a thread ends: on a node
/// that is quiet after a rush neither happens by itself.
pub(crate) async fn give_memory_back() {
    loop {
        // One that cannot be had now can be the next time.
        let _ = thread::Builder::new().name("give-back".to_owned()).spawn(|| ());
        sleep(GIVE_BACK_EVERY).await;
    }
}
