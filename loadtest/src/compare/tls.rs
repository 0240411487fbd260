//! TLS and HTTP/2 beside bare pingora, nginx and HAProxy: one certificate, TLS 1.3, X25519 and tickets for all.

mod bars;
mod handshakes;
mod report;

use self::report::Report;
use super::{
    Options, Part, cpu,
    door::Secure,
    idle, peers,
    work::{Job, Work},
};
use crate::{Failed, client::Protocol, kit::origin};

/// What is measured of requests; the first one so that it is known what TLS adds.
const JOBS: [(Work, Protocol, Part); 5] = [
    (Work::Admitted, Protocol::Http1, Part::Admitted),
    (Work::Admitted, Protocol::Http1Tls, Part::Admitted),
    (Work::Admitted, Protocol::Http2Tls, Part::Admitted),
    (Work::Poll, Protocol::Http1Tls, Part::Poll),
    (Work::Poll, Protocol::Http2Tls, Part::Poll),
];

pub(super) async fn measure(options: &Options) -> Result<Report, Failed> {
    if let Some(part @ (Part::Page | Part::Newcomers | Part::Latency)) = options.only {
        return Err(format!("{part:?} is not measured over TLS: leave out --tls, or --only").into());
    }
    let load = options.load();
    let secure = Secure::new()?;
    let origin = origin::start().await?;
    let mut report = Report::new(load, options.handshakes as usize);
    if options.only != Some(Part::Idle) {
        let (mut peers, left_out) = peers::start_secure(origin, load.connections, &secure).await?;
        report.left_out = left_out;
        if options.wants(Part::Handshakes) {
            for kind in handshakes::Kind::ALL {
                let costs =
                    handshakes::measure(kind, &peers, &secure, options.handshakes as usize, load.rounds).await?;
                report.handshakes.push(costs);
            }
        }
        for (work, protocol, part) in JOBS {
            if options.wants(part) {
                report.cpu.push(cpu::measure(Job { work, protocol }, &mut peers, load).await?);
            }
        }
    }
    if options.wants(Part::Idle) {
        for protocol in [Protocol::Http1Tls, Protocol::Http2Tls] {
            report.idle.push(idle::measure(origin, options.visitors as usize, protocol, Some(&secure)).await?);
        }
    }
    report.judge();
    Ok(report)
}
