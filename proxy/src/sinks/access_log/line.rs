//! A line: what of a record is asked for, as JSON.

use std::{io::Write as _, net::IpAddr};

use http::Version;
use ipnet::IpNet;
use sluice_config::{AccessLog as Settings, ClientShown, LogField};

use super::record::Record;

/// Bits of an address that are shown of a network.
const V4_BITS: u8 = 24;
const V6_BITS: u8 = 48;

/// Appends the line of a record.
pub(super) fn write(record: &Record, settings: &Settings, out: &mut Vec<u8>) {
    let begin = out.len();
    out.push(b'{');
    // In the order of the list, so that lines of two configs can be read side by side.
    for (name, field) in LogField::ALL {
        if !settings.fields.contains(&field) {
            continue;
        }
        let before = out.len();
        if before > begin + 1 {
            out.push(b',');
        }
        text(name.as_bytes(), out);
        out.push(b':');
        if !value(field, record, settings, out) {
            out.truncate(before);
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends a value. False: there is none.
fn value(field: LogField, record: &Record, settings: &Settings, out: &mut Vec<u8>) -> bool {
    let optional = |value: Option<&[u8]>, out: &mut Vec<u8>| {
        let Some(value) = value else { return false };
        text(value, out);
        true
    };
    match field {
        LogField::Time => text(humantime::format_rfc3339_millis(record.came).to_string().as_bytes(), out),
        LogField::RequestId => return optional(record.request_id.as_deref().map(str::as_bytes), out),
        LogField::TraceId => return optional(record.trace_id.as_deref().map(str::as_bytes), out),
        LogField::Client => {
            let shown = record.client.and_then(|client| shown(client, settings.clients));
            return optional(shown.as_deref().map(str::as_bytes), out);
        }
        LogField::Tenant => return optional(record.tenant.as_ref().map(|name| name.as_str().as_bytes()), out),
        LogField::Host => text(record.host.as_bytes(), out),
        LogField::Method => text(record.method.as_bytes(), out),
        LogField::Path => text(&record.path, out),
        LogField::Query => return optional(record.query.as_deref(), out),
        LogField::Protocol => {
            let protocol = record.version.map(|version| match version {
                Version::HTTP_2 => &b"HTTP/2"[..],
                Version::HTTP_10 => b"HTTP/1.0",
                _ => b"HTTP/1.1",
            });
            return optional(protocol, out);
        }
        LogField::Tls => out.extend_from_slice(if record.is_tls { b"true" } else { b"false" }),
        LogField::Kind => return optional(record.kind.map(|kind| kind.name().as_bytes()), out),
        LogField::Queue => return optional(record.queue.as_ref().map(|name| name.as_str().as_bytes()), out),
        LogField::Rule => return optional(record.rule.as_deref().map(str::as_bytes), out),
        LogField::Outcome => text(record.outcome.word().as_bytes(), out),
        LogField::Status => match record.status {
            Some(status) => number(u64::from(status.as_u16()), out),
            None => return false,
        },
        LogField::Bytes => number(record.bytes, out),
        LogField::DurationMs => number(u64::try_from(record.took_ms).unwrap_or(u64::MAX), out),
        LogField::UserAgent => return optional(record.user_agent.as_deref(), out),
    }
    true
}

fn shown(client: IpAddr, how: ClientShown) -> Option<String> {
    let client = client.to_canonical();
    match how {
        ClientShown::Full => Some(client.to_string()),
        ClientShown::Network => {
            let bits = if client.is_ipv4() { V4_BITS } else { V6_BITS };
            IpNet::new(client, bits).ok().map(|net| net.trunc().to_string())
        }
        ClientShown::None => None,
    }
}

/// A text in quotes. What is no UTF-8 is replaced, so that every line can be read.
fn text(value: &[u8], out: &mut Vec<u8>) {
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(out, &String::from_utf8_lossy(value));
}

fn number(value: u64, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}
