//! Sets of networks: lists in a config, and the lists that operators of crawlers publish.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;

use super::address;
use crate::diagnostics::{Wrong, words};

/// A set of networks. Asked by binary search, so that a list of thousands costs what one of ten does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// First and last address of each range, apart from each other and in order. IPv4 in IPv6 clothes is IPv4.
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    /// The addresses of all of these.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { v4: merged(v4, |last| last.checked_add(1)), v6: merged(v6, |last| last.checked_add(1)) }
    }

    /// Whether an address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(ip) => holds(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => holds(&self.v6, ip.to_bits()),
        }
    }

    /// Whether every address of one of the two protocols is.
    pub fn is_everybody(&self) -> bool {
        *self.v4 == [(0, u32::MAX)] || *self.v6 == [(0, u128::MAX)]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

fn merged<N: Copy + Ord>(mut ranges: Vec<(N, N)>, after: impl Fn(N) -> Option<N>) -> Box<[(N, N)]> {
    ranges.sort_unstable();
    let mut apart: Vec<(N, N)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match apart.last_mut() {
            Some(before) if after(before.1).is_none_or(|next| first <= next) => before.1 = before.1.max(last),
            _ => apart.push((first, last)),
        }
    }
    apart.into()
}

fn holds<N: Ord>(ranges: &[(N, N)], address: N) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= address);
    behind.checked_sub(1).is_some_and(|at| address <= ranges[at].1)
}

/// Networks of a file: one a line, `#` begins a remark; or the JSON that operators of crawlers publish, in which every text
/// under a name that ends in "prefix" is one.
pub(crate) fn of_file(text: &str) -> Result<Vec<IpNet>, Wrong> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let networks = if is_json { of_json(text)? } else { of_lines(text)? };
    if networks.is_empty() {
        return Err(Wrong::malformed(
            "the file names no network",
            "write one a line, such as `66.249.64.0/19`, or take the JSON that the crawler's operator publishes",
        ));
    }
    Ok(networks)
}

fn of_lines(text: &str) -> Result<Vec<IpNet>, Wrong> {
    let lines = (1..).zip(text.lines()).map(|(nth, line)| (nth, line.split('#').next().unwrap_or_default().trim()));
    lines.filter(|(_, line)| !line.is_empty()).map(|(nth, line)| network(line, &format!("line {nth}"))).collect()
}

fn of_json(text: &str) -> Result<Vec<IpNet>, Wrong> {
    let value = serde_json::from_str(text)
        .map_err(|error| Wrong::malformed(format!("the file is no JSON: {error}"), "get it anew from its publisher"))?;
    let mut networks = Vec::new();
    gather(&value, &mut networks)?;
    Ok(networks)
}

/// The reader of JSON bounds how deep this goes.
fn gather(value: &serde_json::Value, networks: &mut Vec<IpNet>) -> Result<(), Wrong> {
    match value {
        serde_json::Value::Array(entries) => entries.iter().try_for_each(|entry| gather(entry, networks)),
        serde_json::Value::Object(members) => members.iter().try_for_each(|(name, member)| match member.as_str() {
            Some(text) if name.to_ascii_lowercase().ends_with("prefix") => {
                networks.push(network(text, &format!("`{}`", words::harmless(name)))?);
                Ok(())
            }
            _ => gather(member, networks),
        }),
        _ => Ok(()),
    }
}

fn network(text: &str, place: &str) -> Result<IpNet, Wrong> {
    address::network(text).map_err(|wrong| Wrong {
        message: format!("{place} of the file, `{}`: {}", words::harmless(text), wrong.message),
        ..wrong
    })
}
