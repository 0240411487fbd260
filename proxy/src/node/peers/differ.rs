//! In what nodes differ that step the same lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;
use utoipa::ToSchema;

use super::Peer;

/// Most differences that are kept.
pub(crate) const DIFFERENCES_MAX: usize = 100;
/// What master secrets are called among the settings.
const KEYS: &str = "keys";

/// Something of which nodes go by different values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Difference {
    /// The lines, `TENANT/QUEUE`: one, or of keys all that these nodes share.
    pub(crate) lines: Vec<String>,
    /// The key of the queue's table; `keys`: master secrets; `rules`: one of many settings.
    pub(crate) setting: String,
    /// Who goes by what, the value of most nodes first.
    pub(crate) values: Vec<Held>,
}

/// The nodes that go by one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub(crate) struct Held {
    pub(crate) value: String,
    pub(crate) nodes: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lines.as_slice() {
            [line] => write!(f, "{line}")?,
            [line, rest @ ..] => write!(f, "{line} and {} more", rest.len())?,
            [] => {}
        }
        write!(f, ": {}", self.setting)?;
        for (nth, Held { value, nodes }) in self.values.iter().enumerate() {
            let verb = if nth == 0 { " is " } else { ", " };
            write!(f, "{verb}{value} at {}", nodes.join(" "))?;
        }
        Ok(())
    }
}

/// All differences, line by line. A line that one node alone has differs from nothing: a store may serve several
/// fleets.
pub(super) fn differences(peers: &[Peer]) -> Vec<Difference> {
    let lines: BTreeSet<&String> = peers.iter().flat_map(|peer| peer.told.lines.keys()).collect();
    let mut found = Vec::new();
    let mut keys: BTreeMap<Vec<Held>, Vec<String>> = BTreeMap::new();
    for line in lines {
        let sharing = peers.iter().filter_map(|peer| Some((peer, peer.told.lines.get(line)?)));
        let sharing: Vec<_> = sharing.collect();
        if let Some(values) = held(sharing.iter().map(|(peer, _)| (*peer, peer.told.keys.join(" ")))) {
            keys.entry(values).or_default().push(line.clone());
        }
        let names: BTreeSet<&String> = sharing.iter().flat_map(|(_, settings)| settings.keys()).collect();
        for name in names {
            // A node of another version may not know the setting.
            let known = sharing.iter().filter_map(|(peer, settings)| Some((*peer, settings.get(name)?.clone())));
            if let Some(values) = held(known) {
                found.push(Difference { lines: vec![line.clone()], setting: name.clone(), values });
            }
        }
    }
    let keys = keys.into_iter().map(|(values, lines)| Difference { lines, setting: KEYS.to_owned(), values });
    keys.chain(found).take(DIFFERENCES_MAX).collect()
}

/// Nodes by value, that of most nodes first; `None`: all have the same.
fn held<'p>(all: impl Iterator<Item = (&'p Peer, String)>) -> Option<Vec<Held>> {
    let mut by_value: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (peer, value) in all {
        by_value.entry(value).or_default().push(peer.told.name.clone());
    }
    let mut held: Vec<_> = by_value.into_iter().map(|(value, nodes)| Held { value, nodes }).collect();
    held.sort_by_key(|held| std::cmp::Reverse(held.nodes.len()));
    (held.len() > 1).then_some(held)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::node::peers::told::Told;

    fn peer(name: &str, keys: &str, lines: &[(&str, &[(&str, &str)])]) -> Peer {
        let settings = |all: &[(&str, &str)]| all.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let lines = lines.iter().map(|&(line, all)| (line.to_owned(), settings(all))).collect();
        let told = Told { name: name.to_owned(), keys: vec![keys.to_owned()], lines, ..Told::default() };
        Peer { run: name.to_owned(), told, ago: Duration::ZERO }
    }

    fn shown(peers: &[Peer]) -> Vec<String> {
        differences(peers).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_setting_and_the_nodes_are_named() {
        let with = |rate, mode| -> [(&str, Vec<(&str, &str)>); 1] {
            [("shop/sale", vec![("release_per_minute", rate), ("mode", mode)])]
        };
        let node = |name, rate, mode| {
            let lines = with(rate, mode);
            peer(name, "k", &[(lines[0].0, &lines[0].1)])
        };
        assert_eq!(shown(&[node("a:80", "600", "auto"), node("b:80", "600", "auto")]), [""; 0]);
        let of_three = [node("a:80", "600", "auto"), node("b:80", "300", "auto"), node("c:80", "600", "auto")];
        assert_eq!(shown(&of_three), ["shop/sale: release_per_minute is 600 at a:80 c:80, 300 at b:80"]);
        assert_eq!(shown(&[node("a:80", "600", "auto"), node("b:80", "300", "hold")]).len(), 2);
    }

    #[test]
    fn keys_matter_where_lines_are_shared_and_are_told_once() {
        let two: &[(&str, &[(&str, &str)])] = &[("shop/a", &[]), ("shop/b", &[])];
        let other: &[(&str, &[(&str, &str)])] = &[("zoo/a", &[])];
        let peers = [peer("a:80", "x", two), peer("b:80", "y", two), peer("z:80", "z", other)];
        assert_eq!(shown(&peers), ["shop/a and 1 more: keys is x at a:80, y at b:80"]);
    }

    #[test]
    fn a_setting_that_one_version_alone_knows_is_no_difference() {
        let old = peer("a:80", "k", &[("s/q", &[("mode", "auto")])]);
        let new = peer("b:80", "k", &[("s/q", &[("mode", "auto"), ("lanes", "2")])]);
        assert_eq!(shown(&[old, new]), [""; 0]);
    }
}
