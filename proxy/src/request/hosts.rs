//! What stands for which host name.

use std::collections::HashMap;

use sluice_config::HostPattern;

/// What stands for a host name: the exact name first, then the longest wildcard.
#[derive(Debug)]
pub(crate) struct HostTable<T> {
    exact: HashMap<String, T>,
    below: HashMap<String, T>,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), below: HashMap::new() }
    }
}

/// How a host was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostMatch<'h> {
    /// By its own name.
    Exact,
    /// By `*.` and this suffix.
    Below(&'h str),
}

impl<T> HostTable<T> {
    pub(crate) fn new<'p>(hosts: impl IntoIterator<Item = (&'p HostPattern, T)>) -> Self {
        let mut table = Self::default();
        for (pattern, value) in hosts {
            match pattern {
                HostPattern::Exact(host) => table.exact.insert(host.clone(), value),
                HostPattern::Below(suffix) => table.below.insert(suffix.clone(), value),
            };
        }
        table
    }

    pub(crate) fn find<'h>(&self, host: &'h str) -> Option<(HostMatch<'h>, &T)> {
        if let Some(value) = self.exact.get(host) {
            return Some((HostMatch::Exact, value));
        }
        if self.below.is_empty() {
            return None;
        }
        let suffixes = std::iter::successors(host.split_once('.'), |(_, rest)| rest.split_once('.'));
        suffixes.map(|(_, suffix)| suffix).find_map(|suffix| {
            let value = self.below.get(suffix)?;
            Some((HostMatch::Below(suffix), value))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_exact_name_wins_then_the_longest_wildcard() {
        let exact = |h: &str| HostPattern::Exact(h.into());
        let below = |h: &str| HostPattern::Below(h.into());
        let hosts = [(exact("a.example.com"), 1), (below("example.com"), 2), (below("b.example.com"), 3)];
        let table = HostTable::new(hosts.iter().map(|(h, v)| (h, *v)));
        let find = |host| table.find(host).map(|(_, &value)| value);
        assert_eq!(find("a.example.com"), Some(1));
        assert_eq!(find("c.example.com"), Some(2));
        assert_eq!(find("x.y.b.example.com"), Some(3));
        assert_eq!(find("b.example.com"), Some(2));
        assert_eq!(find("example.com"), None);
        assert_eq!(find("badexample.com"), None);
        assert_eq!(find(""), None);
    }
}
