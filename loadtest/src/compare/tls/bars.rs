//! What Sluice wants to be measured by over TLS: ratios to peers in the same rounds, and memory.

use super::{
    super::{
        bars::{Bar, paired},
        cpu::{Cost, Costs},
        idle::Idle,
        work::{Job, Work},
    },
    handshakes::{self, Kind},
};
use crate::client::Protocol;

const BARE: &str = "bare pingora";
const NGINX: &str = "nginx";
const HAPROXY: &str = "HAProxy";

/// Handshakes a core does, to a peer: at least.
const HANDSHAKES_MIN: [(Kind, &str, f64); 3] =
    [(Kind::Full, NGINX, 1.2), (Kind::Full, HAPROXY, 1.2), (Kind::Resumed, NGINX, 1.3)];
/// CPU of a request over HTTP/2, to a peer: at most.
const REQUESTS_MAX: [(Work, &str, f64); 4] =
    [(Work::Admitted, BARE, 1.10), (Work::Admitted, NGINX, 1.7), (Work::Poll, BARE, 0.8), (Work::Poll, NGINX, 1.2)];
/// What TLS adds to an admitted GET over HTTP/1.1, to what it adds at nginx: at most.
const ADDED_MAX: f64 = 1.0;
/// Memory of a visitor who waits, in bytes: at most.
const IDLE_BYTES_MAX: [(Protocol, f64); 2] = [(Protocol::Http1Tls, 10_000.0), (Protocol::Http2Tls, 28_000.0)];

/// Every bar for which something was measured.
pub(super) fn judge(handshakes: &[handshakes::Costs], cpu: &[Costs], idle: &[Idle]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (kind, name, least) in HANDSHAKES_MIN {
        let Some(costs) = handshakes.iter().find(|costs| costs.kind == kind) else { continue };
        let Some((sluice, peer)) = costs.servers.first().zip(costs.servers.iter().find(|cost| cost.name == name))
        else {
            continue;
        };
        // As many more a second as the CPU of one is less.
        let ratio = paired(&peer.rounds_us, &sluice.rounds_us);
        bars.push(Bar {
            what: format!("{}s a second and core: at least {least} of {name}", kind.title()),
            found: format!("{ratio:.2}"),
            holds: ratio >= least,
        });
    }
    for (work, name, most) in REQUESTS_MAX {
        let job = Job { work, protocol: Protocol::Http2Tls };
        let Some((sluice, peer)) = pair(cpu, job, name) else { continue };
        let ratio = paired(&sluice.rounds_us, &peer.rounds_us);
        let what = format!("{}: at most {most} of {name}", job.title());
        bars.push(Bar { what, found: format!("{ratio:.3}"), holds: ratio <= most });
    }
    bars.extend(added(cpu));
    for (protocol, most) in IDLE_BYTES_MAX {
        let Some(idle) = idle.iter().find(|idle| idle.protocol == protocol) else { continue };
        let Some(sluice) = idle.servers.first() else { continue };
        bars.push(Bar {
            what: format!("memory of a visitor who waits, {}: at most {} kB", protocol.title(), most / 1e3),
            found: format!("{:.1} kB", sluice.per_connection / 1e3),
            holds: sluice.per_connection <= most,
        });
    }
    bars
}

fn pair<'a>(cpu: &'a [Costs], job: Job, name: &str) -> Option<(&'a Cost, &'a Cost)> {
    let costs = cpu.iter().find(|costs| costs.job == job)?;
    Some((costs.servers.first()?, costs.servers.iter().find(|cost| cost.name == name)?))
}

/// What TLS adds: of medians, since the rounds of the two jobs are not the same.
fn added(cpu: &[Costs]) -> Option<Bar> {
    let job = |protocol| Job { work: Work::Admitted, protocol };
    let (plain, secure) = (pair(cpu, job(Protocol::Http1), NGINX)?, pair(cpu, job(Protocol::Http1Tls), NGINX)?);
    let (sluice, nginx) = (secure.0.us - plain.0.us, secure.1.us - plain.1.us);
    Some(Bar {
        what: format!("what TLS adds to an admitted GET over h1: at most {ADDED_MAX} of what it adds to {NGINX}"),
        found: format!("{sluice:.1} µs, {nginx:.1} µs"),
        holds: sluice <= ADDED_MAX * nginx,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(name: &'static str, rounds_us: &[f64]) -> handshakes::Cost {
        handshakes::Cost { name, us: rounds_us[0], rounds_us: rounds_us.to_vec() }
    }

    fn cost(name: &'static str, us: f64) -> Cost {
        Cost { name, us, redis_us: None, to_bare: 0.0, rounds_us: vec![us] }
    }

    #[test]
    fn a_server_that_takes_less_cpu_for_a_handshake_does_more_of_them() {
        // In the second round the machine was slow, for both.
        let servers = vec![
            handshake("Sluice", &[100.0, 300.0, 100.0]),
            handshake("nginx", &[130.0, 390.0, 130.0]),
            handshake("HAProxy", &[110.0, 330.0, 110.0]),
        ];
        let bars = judge(&[handshakes::Costs { kind: Kind::Full, servers }], &[], &[]);
        let found: Vec<_> = bars.iter().map(|bar| (bar.found.as_str(), bar.holds)).collect();
        assert_eq!(found, [("1.30", true), ("1.10", false)]);
    }

    #[test]
    fn what_tls_adds_is_compared_with_what_it_adds_to_nginx() {
        let costs = |protocol, sluice, nginx| Costs {
            job: Job { work: Work::Admitted, protocol },
            servers: vec![cost("Sluice", sluice), cost("bare pingora", 1.0), cost("nginx", nginx)],
        };
        for (secure_us, holds) in [(34.0, true), (36.0, false)] {
            let cpu = [costs(Protocol::Http1, 30.0, 20.0), costs(Protocol::Http1Tls, secure_us, 25.0)];
            let bars = judge(&[], &cpu, &[]);
            assert_eq!(bars.iter().map(|bar| bar.holds).collect::<Vec<_>>(), [holds], "{bars:?}");
        }
    }

    #[test]
    fn requests_over_http2_are_held_against_those_of_the_same_protocol() {
        let job = Job { work: Work::Poll, protocol: Protocol::Http2Tls };
        let servers = vec![cost("Sluice", 9.0), cost("bare pingora", 10.0), cost("nginx", 8.0)];
        let bars = judge(&[], &[Costs { job, servers }], &[]);
        assert_eq!(bars.iter().map(|bar| bar.holds).collect::<Vec<_>>(), [false, true], "{bars:?}");
    }
}
