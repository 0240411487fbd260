//! `[[queue]]`: one line of visitors.

#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, time::Duration};

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Kind, Read, Wrong, words},
    forms::{duration, path},
    limits,
    sections::{Claims, Owner, tenant},
    settings::{Mode, Name, OnStoreLoss, Queue, WaitStatus},
};

pub(crate) const SECTION: Section = Section { path: "tenants/*.toml:queue", shown: "[[queue]]", example: "[[queue]]" };

const PATH_DEFAULT: &str = "/";
const MAX_WAITING_DEFAULT: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_000_000 - 1);
const SESSION_IDLE_DEFAULT: Duration = Duration::from_secs(10 * 60);
const SESSION_MAX_DEFAULT: Duration = Duration::from_secs(12 * 60 * 60);
const CLAIM_WITHIN_DEFAULT: Duration = Duration::from_secs(2 * 60);
const RETURN_WITHIN_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// What the queues of one tenant share: no name, and no path, is two queues'.
#[derive(Default)]
pub(super) struct Siblings {
    names: Claims<Name>,
    paths: Claims<String>,
}

pub(super) fn read(table: &Table<'_>, is_store_shared: bool, siblings: &mut Siblings) -> Read<Queue> {
    let name = table.required("name", "write `name = \"main\"`", |value| {
        let name = value.text(tenant::name)?;
        siblings.names.claim_for(name.clone(), value, "queue name")?;
        Ok(name)
    });
    let paths = paths(table, &mut siblings.paths);
    let release_help = "write how many visitors a minute the site can take: `release_per_minute = 600`";
    let release = table.required("release_per_minute", release_help, |value| value.count(limits::RELEASE_PER_MINUTE));
    let burst = burst(table, release.as_ref().ok().copied());
    let max_active = table.optional("max_active", |value| value.count(limits::ACTIVE));
    let max_waiting = table.or("max_waiting", MAX_WAITING_DEFAULT, |value| value.count(limits::WAITING));
    let session_idle = table.or("session_idle", SESSION_IDLE_DEFAULT, |value| value.duration(limits::SESSION_IDLE));
    let session_max = session_max(table, session_idle.as_ref().ok().copied());
    let claim_within = table.or("claim_within", CLAIM_WITHIN_DEFAULT, |value| value.duration(limits::CLAIM_WITHIN));
    let return_within = table.or("return_within", RETURN_WITHIN_DEFAULT, |value| value.duration(limits::RETURN_WITHIN));
    let mode = table.or("mode", Mode::Auto, |value| value.choice(&Mode::ALL));
    let on_store_loss = on_store_loss(table, is_store_shared);
    let wait_status = table.or("wait_status", WaitStatus::ServiceUnavailable, wait_status);
    let message = table.optional("message", |value| value.text(message));
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
    })
}

fn paths(table: &Table<'_>, claims: &mut Claims<String>) -> Read<Vec<String>> {
    let Some(value) = table.value("paths") else {
        claims.claim(PATH_DEFAULT.to_owned(), Owner::At(table.place()), "path").map_err(|wrong| {
            let message = format!("without `paths` a queue has `{PATH_DEFAULT}`: {}", wrong.message);
            table.wrong(Wrong::new(wrong.kind, message, "write which `paths` this queue is for"))
        })?;
        return Ok(vec![PATH_DEFAULT.to_owned()]);
    };
    value.list(limits::PATHS, |entry| {
        let prefix = entry.text(path::prefix)?;
        claims.claim_for(prefix.clone(), entry, "path")?;
        Ok(prefix)
    })
}

/// The most visitors called in one instant: ten seconds' worth unless the file says otherwise.
fn burst(table: &Table<'_>, release: Option<NonZeroU32>) -> Read<NonZeroU32> {
    let most = release.map_or(*limits::RELEASE_PER_MINUTE.end(), NonZeroU32::get);
    let default = NonZeroU32::new(most / 6).unwrap_or(NonZeroU32::MIN);
    table.or("burst", default, |value| {
        let burst = value.count(limits::RELEASE_PER_MINUTE)?;
        match burst.get() > most {
            true => Err(value.conflict(
                format!("`burst` is more than `release_per_minute`, which is {}", words::grouped(most)),
                format!("write 1 to {}", words::grouped(most)),
            )),
            false => Ok(burst),
        }
    })
}

fn session_max(table: &Table<'_>, idle: Option<Duration>) -> Read<Duration> {
    table.or("session_max", SESSION_MAX_DEFAULT, |value| {
        let max = value.duration(limits::SESSION_MAX)?;
        match idle {
            Some(idle) if max < idle => Err(value.conflict(
                format!("`session_max` is less than `session_idle`, which is {}", duration::show(idle)),
                "a visit cannot end before it may be idle: raise the one or lower the other",
            )),
            _ => Ok(max),
        }
    })
}

/// No default: each choice is right for somebody and a disaster for somebody else.
fn on_store_loss(table: &Table<'_>, is_store_shared: bool) -> Read<Option<OnStoreLoss>> {
    let choice = table.optional("on_store_loss", |value| value.choice(&OnStoreLoss::ALL))?;
    if choice.is_none() && is_store_shared {
        return Err(table.missing(
            "`on_store_loss` is missing: with [store], say what newcomers get while the store is away",
            "write one of\n\
             on_store_loss = \"hold\": nobody new gets in until the store is back; visitors inside never notice.\n\
             on_store_loss = \"trickle\": the line goes on by time at the release rate, and settles up when the store \
             is back.\n\
             on_store_loss = \"admit\": everyone gets in once the store has been away for 5 s, whatever the site can \
             take; counted as sluice_requests_total{outcome=\"passed_freely\"}.",
        ));
    }
    Ok(choice)
}

fn wait_status(value: Value<'_>) -> Read<WaitStatus> {
    let Some(code) = value.as_integer() else {
        return Err(value.wrong_type("a number", "wait_status = 503"));
    };
    let status = WaitStatus::ALL.into_iter().find(|status| i128::from(status.code()) == code);
    status.ok_or_else(|| {
        let all = words::list(WaitStatus::ALL.iter().map(|status| status.code().to_string()), "or");
        value.wrong(Wrong::new(
            Kind::OutOfRange,
            "not a status for a waiting page",
            format!("write {all}: 503 keeps search engines from taking the page for the site"),
        ))
    })
}

fn message(written: &str) -> Result<String, Wrong> {
    let chars = written.chars().count();
    if written.trim().is_empty() {
        return Err(Wrong::malformed("the message is empty", "leave the key out to show none"));
    }
    if chars > limits::MESSAGE_CHARS_MAX {
        return Err(Wrong::new(
            Kind::OutOfRange,
            format!("the message has {chars} characters"),
            format!("write at most {}", limits::MESSAGE_CHARS_MAX),
        ));
    }
    if written.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Wrong::malformed("the message has control characters", "write plain text; `\\n` breaks a line"));
    }
    Ok(written.to_owned())
}
