//! Start-up checks: what would keep lines from working well on this store, in one sentence each.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::{Cmd, Value};

use super::{Fault, Keys, Redis, Route, request};
use crate::{
    line::{Batch, Rules},
    store::{Checkup, LineId, Severity},
};
use sluice_config::Mode;

/// The oldest server that has every command the script uses (ZMSCORE, ZADD GT).
const VERSION_MIN: (u32, u32) = (6, 2);
/// The server's clock may be so far from ours before it is worth a word.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(2);
/// Between two looks the server's clock may gain or lose so much.
const CLOCK_DRIFT_MAX: Duration = Duration::from_millis(50);
/// How often the round trip is measured.
const ROUND_TRIPS: usize = 20;
/// A hash tag that no line has: names of tenants begin with a letter or digit.
const TRIAL_TAG: &str = ".doctor";

pub(super) async fn check(store: &Redis, lines: &[LineId]) -> Checkup {
    let mut checkup = Checkup::default();
    if let Err(fault) = servers(store, &mut checkup).await {
        checkup.say(Severity::Fault, format!("The store is unavailable: {}.", why(&fault)));
        return checkup;
    }
    trial(store, &mut checkup).await;
    for line in lines {
        let bytes = memory(store, &Keys::all_of(&store.prefix, line)).await;
        if let Err(fault) = &bytes {
            checkup.say(Severity::Warning, format!("The memory of {line} could not be asked: {}.", why(fault)));
        }
        checkup.memory.push((line.clone(), bytes.ok()));
    }
    checkup.findings.sort_by_key(|finding| finding.severity);
    checkup
}

/// Looks at every server that keeps lines.
async fn servers(store: &Redis, checkup: &mut Checkup) -> Result<(), Fault> {
    let links = match &store.route {
        Route::One(link) => vec![link.clone()],
        Route::Cluster(cluster) => cluster.links().await?,
    };
    let mut round_trips = Vec::new();
    for link in links {
        for _ in 0..ROUND_TRIPS {
            let sent = Instant::now();
            match link.send(&redis::cmd("PING")).await {
                Ok(_) => round_trips.push(sent.elapsed()),
                // It answers, which is all that is asked for.
                Err(Fault::Refused(_)) => round_trips.push(sent.elapsed()),
                Err(fault) => return Err(fault),
            }
        }
        let (name, info) = (link.server().unwrap_or_default(), link.send(&words(&["INFO"])).await);
        match info.map(|info| text(&info)) {
            Ok(info) => look_at(&name, &info, checkup),
            Err(Fault::Refused(_)) => {
                checkup.servers.push((name.clone(), String::new()));
                let missing = "its version and whether it may evict lines could not be checked, and lines do not notice \
                               when it is started anew from an old copy";
                checkup.say(Severity::Warning, format!("{name}: the user may not run INFO, so {missing} (`+info`)."));
            }
            Err(fault) => return Err(fault),
        }
        clock(&name, &link, checkup).await?;
    }
    round_trips.sort_unstable();
    checkup.round_trip = round_trips.get(round_trips.len() / 2).copied().zip(round_trips.last().copied());
    Ok(())
}

/// How many keys the server has evicted, and by which policy, if lines may have been among them.
pub(super) fn evicted(info: &str) -> Option<(u64, &str)> {
    let keys = field(info, "evicted_keys")?.parse().ok().filter(|&keys| keys > 0)?;
    let policy = field(info, "maxmemory_policy").filter(|policy| !spares_lines(policy))?;
    Some((keys, policy))
}

/// Lines have no time to live, so `volatile-…` leaves them alone.
fn spares_lines(policy: &str) -> bool {
    policy == "noeviction" || policy.starts_with("volatile-")
}

fn field<'a>(info: &'a str, field: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim)
}

/// Version, role and eviction, as INFO has them.
fn look_at(name: &str, info: &str, checkup: &mut Checkup) {
    let field = |name: &str| field(info, name);
    // Valkey also tells the version of Redis that it is compatible with, under the old name.
    let version = field("redis_version").unwrap_or("unknown");
    let shown = field("valkey_version").map_or_else(|| format!("Redis {version}"), |v| format!("Valkey {v}"));
    checkup.servers.push((name.to_owned(), shown.clone()));
    if parse_version(version).is_some_and(|found| found < VERSION_MIN) {
        let (major, minor) = VERSION_MIN;
        checkup
            .say(Severity::Fault, format!("{name} is {shown}; lines need Redis {major}.{minor} or later, or Valkey."));
    }
    if field("role") == Some("slave") {
        checkup.say(Severity::Fault, format!("{name} is a replica, which takes no steps; name its primary."));
    }
    match field("maxmemory_policy") {
        Some(policy) if spares_lines(policy) => {}
        Some(policy) => {
            // Without a bound nothing is evicted, until somebody sets one.
            let bounded = field("maxmemory").is_some_and(|bytes| bytes != "0");
            let severity = if bounded { Severity::Fault } else { Severity::Warning };
            let text = format!(
                "{name} may evict a line when memory runs short (`maxmemory-policy {policy}`); set `noeviction`."
            );
            checkup.say(severity, text);
        }
        None => {
            let text = format!("{name} does not tell its `maxmemory-policy`; make sure that it is `noeviction`.");
            checkup.say(Severity::Warning, text);
        }
    }
}

/// Whether the server's clock is near ours and runs as fast as ours.
async fn clock(name: &str, link: &std::sync::Arc<super::Link>, checkup: &mut Checkup) -> Result<(), Fault> {
    let mut first: Option<(Duration, Instant)> = None;
    for _ in 0..ROUND_TRIPS {
        let time = match link.send(&words(&["TIME"])).await {
            Ok(time) => time,
            // The script reads it all the same.
            Err(Fault::Refused(_)) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let Some(server) = unix_time(&time) else { return Ok(()) };
        let Some((began, at)) = first else {
            let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let off = ours.abs_diff(server);
            if off > CLOCK_OFF_MAX {
                let way = if server > ours { "ahead of" } else { "behind" };
                let text = format!(
                    "The clock of {name} is {} s {way} ours; lines keep their own time, but logs will not match.",
                    off.as_secs()
                );
                checkup.say(Severity::Warning, text);
            }
            first = Some((server, Instant::now()));
            continue;
        };
        if server < began {
            let text =
                format!("The clock of {name} ran backwards by {} ms while we looked.", (began - server).as_millis());
            checkup.say(Severity::Fault, text);
            return Ok(());
        }
        let (theirs, ours) = (server - began, at.elapsed());
        if theirs > ours + CLOCK_DRIFT_MAX {
            let text = format!("The clock of {name} leapt by {} ms while we looked.", (theirs - ours).as_millis());
            checkup.say(Severity::Fault, text);
            return Ok(());
        }
    }
    Ok(())
}

/// Makes two steps of a line that is nobody's, and removes it.
async fn trial(store: &Redis, checkup: &mut Checkup) {
    let keys = Keys::tagged(&store.prefix, TRIAL_TAG, 1);
    let rules = Rules {
        release_per_minute: 1,
        burst: 1,
        max_active: None,
        max_waiting: 1,
        mode: Mode::Hold,
        claim_within_ms: 1,
        return_within_ms: 1,
        seat_ms: 1,
        lanes: Vec::new(),
    };
    let calls = request::sync(&keys, store.clock(), &rules, &Batch::default());
    let mut step = None;
    // The first may have to bring the script along.
    for _ in 0..2 {
        let sent = Instant::now();
        if let Err(fault) = store.run(&keys, &calls[0]).await {
            let text = match &fault {
                Fault::Refused(why) if why.contains("NOPERM") => {
                    format!("The user may not run the lines' script: {why}; see the manual for the least permissions.")
                }
                fault => format!("A trial step failed: {}.", why(fault)),
            };
            checkup.say(Severity::Fault, text);
            return;
        }
        step = Some(sent.elapsed());
    }
    checkup.step = step;
    let mut unlink = words(&["UNLINK"]);
    unlink.arg(&keys.names);
    if let Err(fault) = store.run(&keys, &unlink).await {
        checkup.say(Severity::Warning, format!("The trial line could not be removed: {}.", why(&fault)));
    }
}

async fn memory(store: &Redis, keys: &Keys) -> Result<u64, Fault> {
    let mut bytes = 0;
    for key in keys.lasting() {
        // Of large hashes and sets a sample is weighed; an absent key weighs nothing.
        if let Value::Int(some) = store.run(keys, &words(&["MEMORY", "USAGE", key])).await? {
            bytes += u64::try_from(some).unwrap_or(0);
        }
    }
    Ok(bytes)
}

fn words(words: &[&str]) -> Cmd {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    }
}

fn unix_time(value: &Value) -> Option<Duration> {
    let Value::Array(parts) = value else { return None };
    let part = |i: usize| text(parts.get(i)?).parse().ok();
    Some(Duration::from_secs(part(0)?) + Duration::from_micros(part(1)?))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn why(fault: &Fault) -> String {
    match fault {
        Fault::Lost(why) | Fault::ReadOnly(why) | Fault::Busy(why) | Fault::Refused(why) => why.clone(),
        Fault::NoScript => "the server forgets the script at once".to_owned(),
        Fault::Moved(_) => "the server is part of a cluster; write `redis+cluster://`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(info: &str) -> Vec<(Severity, String)> {
        let mut checkup = Checkup::default();
        look_at("a:1", info, &mut checkup);
        checkup.findings.into_iter().map(|f| (f.severity, f.text)).collect()
    }

    #[test]
    fn a_good_server_gives_no_cause_for_complaint() {
        for policy in ["noeviction", "volatile-lru", "volatile-ttl"] {
            let info = format!("redis_version:6.2.0\r\nrole:master\r\nmaxmemory:100\r\nmaxmemory_policy:{policy}\r\n");
            assert_eq!(findings(&info), []);
        }
    }

    #[test]
    fn evicted_keys_matter_where_lines_may_be_among_them() {
        let info = |keys, policy| format!("maxmemory_policy:{policy}\r\nevicted_keys:{keys}\r\n");
        assert_eq!(evicted(&info(7, "allkeys-lru")), Some((7, "allkeys-lru")));
        assert_eq!(evicted(&info(0, "allkeys-lru")), None);
        assert_eq!(evicted(&info(7, "volatile-lru")), None);
        assert_eq!(evicted(""), None);
    }

    #[test]
    fn an_old_server_and_a_replica_are_told() {
        let found = findings("redis_version:6.0.16\r\nrole:slave\r\nmaxmemory_policy:noeviction\r\n");
        assert_eq!(found.len(), 2);
        assert!(found[0].1.contains("a:1 is Redis 6.0.16; lines need Redis 6.2"), "{found:?}");
        assert!(found[1].1.contains("is a replica"), "{found:?}");
    }

    #[test]
    fn eviction_is_a_fault_once_memory_has_a_bound() {
        let info = |bytes| {
            format!(
                "redis_version:7.2.4\r\nvalkey_version:8.0.1\r\nmaxmemory:{bytes}\r\nmaxmemory_policy:allkeys-lru\r\n"
            )
        };
        assert_eq!(findings(&info(0))[0].0, Severity::Warning);
        let found = findings(&info(1_000));
        assert_eq!(found[0].0, Severity::Fault);
        assert!(found[0].1.contains("`maxmemory-policy allkeys-lru`"), "{found:?}");
    }
}
