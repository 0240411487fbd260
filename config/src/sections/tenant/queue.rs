//! `[[queue]]`: one line of visitors.

mod compared;
mod lane;
mod modes;
mod rule;
mod status;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, time::Duration};

use self::status::Status;
pub use lane::Lane;
pub use modes::{ClosedAs, Mode, OnStoreLoss, WaitStatus};
pub use rule::{Conditions, Pattern, Rule, RuleAction, When};

use crate::{
    declare::{
        Choice, Count, Default, Key, List, Looks, Nested, Optional, Required, Section, Switch, Table, Text, Time, Value,
    },
    diagnostics::{Kind, Read, Wrong, words},
    forms::{
        duration, moment,
        name::{self, Name},
        path,
    },
    limits::LANES_MAX,
    outside::Outside,
    sections::tenant::claims::{Claims, Owner},
};

/// `[[queue]]`: one line of visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Stable name: part of cookie names, token keys and store keys.
    pub name: Name,
    /// Prefixes of the normalised path; the longest match over all queues wins.
    pub paths: Vec<String>,
    /// Most visitors called in any 60 s.
    pub release_per_minute: NonZeroU32,
    /// Most visitors called in one instant, at most `release_per_minute`.
    pub burst: NonZeroU32,
    /// Most visitors called or inside at once.
    pub max_active: Option<NonZeroU32>,
    /// Most visitors in line at once; at the bound newcomers get the answer `full`.
    pub max_waiting: NonZeroU32,
    /// A visitor inside without a request for this long has left.
    pub session_idle: Duration,
    /// A visit ends after this, however active.
    pub session_max: Duration,
    /// A called visitor who does not enter within this gives the seat back; called once more when the page is loaded again.
    pub claim_within: Duration,
    /// How long after being passed over a visitor may come back and be called next.
    pub return_within: Duration,
    /// What the queue does now.
    pub mode: Mode,
    /// What newcomers get while the store is unavailable; `None` only with the embedded store.
    pub on_store_loss: Option<OnStoreLoss>,
    /// Status of the waiting page.
    pub wait_status: WaitStatus,
    /// Shown to everybody in line, as plain text; at most 500 characters.
    pub message: Option<String>,
    /// What the page of the closed queue says.
    pub closed_as: ClosedAs,
    /// When it opens, for the page of a queue that is not open yet, unix seconds.
    pub opens_at_s: Option<u64>,
    /// Whether there is a public board of the line.
    pub board: bool,
    /// Requests that are treated otherwise, the first that matches first.
    pub rules: Vec<Rule>,
    /// Rows of numbers in it, the first one the visitors' own unless something says otherwise; none: there is one.
    pub lanes: Vec<Lane>,
}

impl Queue {
    /// A queue with everything else at its default.
    pub fn new(name: Name, release_per_minute: NonZeroU32) -> Self {
        Self {
            name,
            paths: PATHS.default(),
            release_per_minute,
            burst: default_burst(release_per_minute),
            max_active: None,
            max_waiting: MAX_WAITING.default(),
            session_idle: SESSION_IDLE.default(),
            session_max: SESSION_MAX.default(),
            claim_within: CLAIM_WITHIN.default(),
            return_within: RETURN_WITHIN.default(),
            mode: MODE.default(),
            on_store_loss: None,
            wait_status: WAIT_STATUS.default(),
            message: None,
            closed_as: CLOSED_AS.default(),
            opens_at_s: None,
            board: BOARD.default(),
            rules: Vec::new(),
            lanes: Vec::new(),
        }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[[queue]]",
    doc: "One line of visitors",
    may_hold_secrets: false,
    keys: &[
        &NAME,
        &PATHS,
        &RELEASE_PER_MINUTE,
        &BURST,
        &MAX_ACTIVE,
        &MAX_WAITING,
        &SESSION_IDLE,
        &SESSION_MAX,
        &CLAIM_WITHIN,
        &RETURN_WITHIN,
        &MODE,
        &ON_STORE_LOSS,
        &WAIT_STATUS,
        &MESSAGE,
        &CLOSED_AS,
        &OPENS_AT,
        &BOARD,
        &LANE,
        &RULE,
    ],
};

static NAME: Key<Text<Name>> = Key {
    name: "name",
    doc: "Stable name, part of cookies and of every visitor's token: a new name empties the line; unique in the tenant",
    kind: NAME_TEXT,
    absent: Required("write `name = \"main\"`"),
};

static PATHS: Key<List<Text<String>>, Default<Vec<String>>> = Key {
    name: "paths",
    doc: "Prefixes of the normalised path; the longest match over all queues wins; unique in the tenant",
    kind: List {
        entries: 1..=50,
        each: Text { parse: path::prefix, looks: Looks::Pattern(path::PATTERN, "at most 512 bytes") },
    },
    absent: Default(|| vec!["/".to_owned()]),
};

/// The name of a tenant or a queue.
pub(crate) const NAME_TEXT: Text<Name> = Text { parse: name::parse, looks: Looks::Pattern(name::PATTERN, name::SHOWN) };

const RELEASE_PER_MINUTE_MAX: u32 = 1_000_000;

static RELEASE_PER_MINUTE: Key<Count> = Key {
    name: "release_per_minute",
    doc: "Most visitors called in any 60 s",
    kind: Count(1..=RELEASE_PER_MINUTE_MAX),
    absent: Required("write how many visitors a minute the site can take: `release_per_minute = 600`"),
};

static BURST: Key<Count, Optional> = Key {
    name: "burst",
    doc: "Most visitors called in one instant, at most `release_per_minute`",
    kind: Count(1..=RELEASE_PER_MINUTE_MAX),
    absent: Optional("a sixth of `release_per_minute`, at least 1"),
};

static MAX_ACTIVE: Key<Count, Optional> = Key {
    name: "max_active",
    doc: "Most visitors called or inside at once",
    kind: Count(1..=10_000_000),
    absent: Optional("no bound"),
};

// Ten million are some 30 MB of bitmaps.
static MAX_WAITING: Key<Count, Default<NonZeroU32>> = Key {
    name: "max_waiting",
    doc: "Most visitors in line at once; at the bound newcomers get the answer `full`",
    kind: Count(1..=10_000_000),
    absent: Default(|| NonZeroU32::MIN.saturating_add(1_000_000 - 1)),
};

static SESSION_IDLE: Key<Time, Default<Duration>> = Key {
    name: "session_idle",
    doc: "A visitor inside without a request for this long has left",
    kind: Time::from_s(5..=12 * 60 * 60),
    absent: Default(|| Duration::from_secs(10 * 60)),
};

// Its default is the upper bound of session_idle, so that the two can only clash when both are written.
static SESSION_MAX: Key<Time, Default<Duration>> = Key {
    name: "session_max",
    doc: "A visit ends after this, however active; at least `session_idle`",
    kind: Time::from_s(10..=30 * 24 * 60 * 60),
    absent: Default(|| Duration::from_secs(12 * 60 * 60)),
};

// The seat stands empty meanwhile.
static CLAIM_WITHIN: Key<Time, Default<Duration>> = Key {
    name: "claim_within",
    doc: "A called visitor who does not enter within this gives the seat back, and is called once more when the page is loaded again; it stands still while the line cannot be asked",
    kind: Time::from_s(5..=60 * 60),
    absent: Default(|| Duration::from_secs(2 * 60)),
};

static RETURN_WITHIN: Key<Time, Default<Duration>> = Key {
    name: "return_within",
    doc: "How long after being passed over a visitor may come back and be called next",
    kind: Time::from_s(10..=24 * 60 * 60),
    absent: Default(|| Duration::from_secs(30 * 60)),
};

static MODE: Key<Choice<Mode, 5>, Default<Mode>> = Key {
    name: "mode",
    doc: "What the queue does now",
    kind: Choice { words: &Mode::ALL, meanings: Mode::MEANINGS },
    absent: Default(|| Mode::Auto),
};

// No default: each choice is right for one site and a disaster for another.
static ON_STORE_LOSS: Key<Choice<OnStoreLoss, 3>, Optional> = Key {
    name: "on_store_loss",
    doc: "What newcomers get while the store is unavailable; required with `[store]` in `sluice.toml`, unused without",
    kind: Choice { words: &OnStoreLoss::ALL, meanings: OnStoreLoss::MEANINGS },
    absent: Optional("none"),
};

static WAIT_STATUS: Key<Status, Default<WaitStatus>> = Key {
    name: "wait_status",
    doc: "Status of the waiting page",
    kind: Status,
    absent: Default(|| WaitStatus::ServiceUnavailable),
};

const MESSAGE_CHARS_MAX: usize = 500;

static MESSAGE: Key<Text<String>, Optional> = Key {
    name: "message",
    doc: "Shown to everybody in line, as plain text",
    kind: Text { parse: message, looks: Looks::Chars(1..=MESSAGE_CHARS_MAX) },
    absent: Optional("none"),
};

static CLOSED_AS: Key<Choice<ClosedAs, 3>, Default<ClosedAs>> = Key {
    name: "closed_as",
    doc: "What the page says while `mode` is `closed`",
    kind: Choice { words: &ClosedAs::ALL, meanings: ClosedAs::MEANINGS },
    absent: Default(ClosedAs::default),
};

static OPENS_AT: Key<Text<u64>, Optional> = Key {
    name: "opens_at",
    doc: "When it opens: the page of a queue that is closed as `not_open` counts down to it. The queue opens when its `mode` \
          changes, and not by itself",
    kind: Text { parse: moment::parse, looks: Looks::Any("such as `2026-12-01T10:00:00+01:00`") },
    absent: Optional("the page does not say"),
};

static BOARD: Key<Switch, Default<bool>> = Key {
    name: "board",
    doc: "Whether `/.sluice/board/NAME` shows everybody how far the line is, for a screen in a lobby",
    kind: Switch,
    absent: Default(|| true),
};

static LANE: Key<List<Nested>, Optional> = Key {
    name: "lane",
    doc: lane::SECTION.doc,
    kind: List { entries: 1..=LANES_MAX, each: Nested { section: &lane::SECTION, example: "[[queue.lane]]" } },
    absent: Optional("one lane"),
};

static RULE: Key<List<Nested>, Optional> = Key {
    name: "rule",
    doc: rule::SECTION.doc,
    kind: List { entries: 1..=100, each: Nested { section: &rule::SECTION, example: "[[queue.rule]]" } },
    absent: Optional("every request meets the queue"),
};

/// What the queues of one tenant share: no two have the same name or path.
#[derive(Default)]
pub(in crate::sections) struct Siblings {
    names: Claims<Name>,
    paths: Claims<String>,
}

pub(in crate::sections) fn read(
    table: &Table<'_>,
    outside: &Outside<'_>,
    is_store_shared: bool,
    siblings: &mut Siblings,
) -> Read<Queue> {
    let name = table.checked(&NAME, |value, name| siblings.names.claim_for(name.clone(), value, "queue name"));
    let paths = paths(table, &mut siblings.paths);
    let release = table.read(&RELEASE_PER_MINUTE);
    let burst = burst(table, release.as_ref().ok().copied());
    let max_active = table.read(&MAX_ACTIVE);
    let max_waiting = table.read(&MAX_WAITING);
    let session_idle = table.read(&SESSION_IDLE);
    let session_max = session_max(table, session_idle.as_ref().ok().copied());
    let claim_within = table.read(&CLAIM_WITHIN);
    let return_within = table.read(&RETURN_WITHIN);
    let mode = table.read(&MODE);
    let on_store_loss = on_store_loss(table, is_store_shared);
    let wait_status = table.read(&WAIT_STATUS);
    let message = table.read(&MESSAGE);
    let closed_as = table.read(&CLOSED_AS);
    let opens_at_s = table.read(&OPENS_AT);
    let board = table.read(&BOARD);
    let lanes = table.read_with(&LANE, lanes);
    let known_lanes = lanes.as_ref().ok().map(|lanes| lanes.as_deref().unwrap_or_default());
    let rules = table.read_with(&RULE, |value| rules(value, outside, known_lanes));
    Ok(Queue {
        name: name?,
        paths: paths?,
        release_per_minute: release?,
        burst: burst?,
        max_active: max_active?,
        max_waiting: max_waiting?,
        session_idle: session_idle?,
        session_max: session_max?,
        claim_within: claim_within?,
        return_within: return_within?,
        mode: mode?,
        on_store_loss: on_store_loss?,
        wait_status: wait_status?,
        message: message?,
        closed_as: closed_as?,
        opens_at_s: opens_at_s?,
        board: board?,
        rules: rules?.unwrap_or_default(),
        lanes: lanes?.unwrap_or_default(),
    })
}

fn paths(table: &Table<'_>, claims: &mut Claims<String>) -> Read<Vec<String>> {
    let Some(value) = table.value(&PATHS) else {
        let default = PATHS.default();
        for path in &default {
            claims.claim(path.to_ascii_lowercase(), Owner::At(table.place()), "path").map_err(|wrong| {
                let message = format!("without `paths` a queue has `{path}`: {}", wrong.message);
                table.wrong(Wrong::new(wrong.kind, message, "write which `paths` this queue is for"))
            })?;
        }
        return Ok(default);
    };
    PATHS.kind.check_each(value, |entry, path| claims.claim_for(path.to_ascii_lowercase(), entry, "path"))
}

fn lanes(value: Value<'_>) -> Read<Vec<Lane>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[queue.lane]]"));
    }
    let mut taken = Claims::default();
    let each = &LANE.kind.each;
    LANE.kind.read_each(value, |entry| each.read(entry, |table| lane::read(table, &mut taken)))
}

fn rules(value: Value<'_>, outside: &Outside<'_>, lanes: Option<&[Lane]>) -> Read<Vec<Rule>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[queue.rule]]"));
    }
    let mut taken = Claims::default();
    let each = &RULE.kind.each;
    RULE.kind.read_each(value, |entry| each.read(entry, |table| rule::read(table, outside, &mut taken, lanes)))
}

/// Ten seconds' worth.
fn default_burst(release: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(release.get() / 6).unwrap_or(NonZeroU32::MIN)
}

/// The most visitors called in one instant. If the rate is wrong it has no default, and no mistake of its own.
fn burst(table: &Table<'_>, release: Option<NonZeroU32>) -> Read<NonZeroU32> {
    let most = release.map_or(RELEASE_PER_MINUTE_MAX, NonZeroU32::get);
    let burst = table.checked(&BURST, |value, burst| match burst.get() > most {
        true => Err(value.conflict(
            format!("`burst` is more than `release_per_minute`, which is {}", words::grouped(most)),
            format!("write 1 to {}", words::grouped(most)),
        )),
        false => Ok(()),
    })?;
    Ok(burst.or(release.map(default_burst)).unwrap_or(NonZeroU32::MIN))
}

fn session_max(table: &Table<'_>, idle: Option<Duration>) -> Read<Duration> {
    table.checked(&SESSION_MAX, |value, max| match idle {
        Some(idle) if *max < idle => Err(value.conflict(
            format!("`session_max` is less than `session_idle`, which is {}", duration::show(idle)),
            "a visit cannot end before it may be idle: raise the one or lower the other",
        )),
        _ => Ok(()),
    })
}

fn on_store_loss(table: &Table<'_>, is_store_shared: bool) -> Read<Option<OnStoreLoss>> {
    let choice = table.read(&ON_STORE_LOSS)?;
    if choice.is_none() && is_store_shared {
        return Err(table.missing(
            "`on_store_loss` is missing: with [store], say what newcomers get while the store is unavailable",
            "write one of\n\
             on_store_loss = \"hold\": nobody new gets in until the store is back; visitors inside never notice.\n\
             on_store_loss = \"trickle\": the line goes on by time at the release rate, and settles up when the store \
             is back.\n\
             on_store_loss = \"admit\": everyone gets in once the store has been unavailable for 5 s, whatever the site can \
             take; counted as sluice_requests_total{outcome=\"passed_freely\"}.",
        ));
    }
    Ok(choice)
}

fn message(written: &str) -> Result<String, Wrong> {
    let chars = written.chars().count();
    if written.trim().is_empty() {
        return Err(Wrong::malformed("the message is empty", "leave the key out to show none"));
    }
    if chars > MESSAGE_CHARS_MAX {
        return Err(Wrong::new(
            Kind::OutOfRange,
            format!("the message has {chars} characters"),
            format!("write at most {MESSAGE_CHARS_MAX}"),
        ));
    }
    if written.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Wrong::malformed("the message has control characters", "write plain text; `\\n` breaks a line"));
    }
    Ok(written.to_owned())
}
