//! The one script that reads and writes a line.

use std::{fmt::Write as _, sync::LazyLock};

use super::Redis;
use crate::line::{CONSTANTS, SLOT_MS, SLOTS};

/// Its text: the constants, then modules like those of [`crate::line`]. What differs from call to call is an argument.
pub(super) static TEXT: LazyLock<String> = LazyLock::new(|| format!("{}\n{MODULES}", constants()));

const MODULES: &str = concat!(
    include_str!("lua/state.lua"),
    include_str!("lua/request.lua"),
    include_str!("lua/queue/control.lua"),
    include_str!("lua/queue/clock.lua"),
    include_str!("lua/queue/rate.lua"),
    include_str!("lua/lane/bits.lua"),
    include_str!("lua/queue/hush.lua"),
    include_str!("lua/queue/minutes.lua"),
    include_str!("lua/queue/seats.lua"),
    include_str!("lua/verdict.lua"),
    include_str!("lua/lane/lanes.lua"),
    include_str!("lua/arrive.lua"),
    include_str!("lua/lane/call.lua"),
    include_str!("lua/lane/find.lua"),
    include_str!("lua/marks.lua"),
    include_str!("lua/outcome.lua"),
    include_str!("lua/step.lua"),
);

/// Version of the state's layout: rises when the meaning of anything that is kept changes. A state of another layout is
/// left alone.
pub(super) const LAYOUT: u32 = 13;

/// The table `C`: the script's local variables are few, at most 200.
fn constants() -> String {
    // A call counts for as much longer as a step of the server's clock may have moved the line's.
    let slots = SLOTS + Redis::SLACK_MS.div_ceil(SLOT_MS);
    let shared = CONSTANTS.map(|(name, value)| (name, if name == "SLOTS" { slots } else { value }));
    let all = shared.into_iter().chain([("LAYOUT", u64::from(LAYOUT))]);
    let fields: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
    format!("local C = {{ {} }}", fields.join(", "))
}

/// Names of the keys that a queue has once, after the prefix and the hash tag, in the order in which the script takes them.
pub(super) const QUEUE_KEYS: [&str; 9] =
    ["line", "due", "inside", "since", "slips0", "slips1", "pool", "ended", "minutes"];
/// Names of the keys that each lane has, which follow those. Behind the first lane the slot stands in front of them.
pub(super) const LANE_KEYS: [&str; 24] = [
    "gone", "fine0", "fine1", "fine2", "fine3", "fine4", "fine5", "fine6", "fine7", "fine8", "fine9", "coarse0",
    "coarse1", "coarse2", "coarse3", "coarse4", "coarse5", "seen0", "seen1", "seen2", "seen3", "heard", "lapsed",
    "scratch",
];

/// What EVALSHA calls it by: the SHA-1 of the text, in hexadecimal.
pub(super) static SHA: LazyLock<String> = LazyLock::new(|| {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, TEXT.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
});

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_script_names_every_constant_and_no_other() {
        let named: BTreeSet<&str> = MODULES
            .lines()
            .filter_map(|line| line.split("--").next())
            .flat_map(|code| code.split("C.").skip(1))
            .map(|rest| rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap())
            .collect();
        let given: BTreeSet<&str> = CONSTANTS.iter().map(|constant| constant.0).chain(["LAYOUT"]).collect();
        assert_eq!(named, given);
    }

    /// Permissions that others need than the script: connections, the doctor, and [`super::super::Redis::forget`].
    const BESIDE: [&str; 11] = [
        "cluster|slots",
        "evalsha",
        "get",
        "info",
        "memory|usage",
        "ping",
        "role",
        "script|load",
        "select",
        "set",
        "unlink",
    ];

    #[test]
    fn the_manual_permits_every_command_of_the_script_and_no_other() {
        let manual = include_str!("../../../../deploy/fleet.md");
        let user = manual.lines().find(|line| line.trim().starts_with("user sluice on")).unwrap();
        let permitted: BTreeSet<_> =
            user.split_whitespace().filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect();
        let texts = [TEXT.as_str(), super::super::board::SCRIPT.text, super::super::board::lease::SCRIPT.text];
        let called =
            texts.into_iter().flat_map(|text| text.split("call('").skip(1)).filter_map(|rest| rest.split('\'').next());
        let split = TEXT.lines().filter(|line| line.contains("over(")).filter_map(|line| line.split('\'').nth(1));
        let needed: BTreeSet<_> = called.chain(split).map(str::to_lowercase).chain(BESIDE.map(str::to_owned)).collect();
        assert_eq!(permitted, needed);
    }

    #[test]
    fn both_sides_count_the_same_keys() {
        assert_eq!(QUEUE_KEYS.iter().position(|&key| key == "minutes"), Some(8));
        assert!(TEXT.contains("minutes = KEYS[9]") && TEXT.contains("local QUEUE_KEYS, LANE_KEYS = 9, HEARD + 3"));
        let generations = CONSTANTS.iter().filter(|constant| ["FINES", "COARSES", "WAITINGS"].contains(&constant.0));
        assert_eq!(LANE_KEYS.len() as u64, generations.map(|constant| constant.1).sum::<u64>() + 4);
    }
}
