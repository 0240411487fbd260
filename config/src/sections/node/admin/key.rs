//! `[[admin.key]]`: a program that may use the API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{
    declare::{Choice, Key, List, Looks, Optional, Required, Section, Table, Text},
    diagnostics::{Read, Wrong},
    forms::name::Name,
    sections::{tenant::claims::Claims, tenant::queue::NAME_TEXT},
};

/// A program that may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminKey {
    /// What the audit log calls it.
    pub id: Name,
    /// SHA-256 of the key. A key has 256 random bits, so its plain hash tells nothing of it.
    pub hash: [u8; 32],
    /// What it may do.
    pub role: Role,
    /// Whose queues it may see and change; `None`: those of all tenants.
    pub tenants: Option<Vec<Name>>,
    /// From when on it is refused.
    pub expires: Option<SystemTime>,
}

/// What a person or a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sees queues.
    Viewer,
    /// Sees and changes queues and visits.
    Manager,
    /// Everything, resets among it.
    Admin,
    /// Sees queues and the audit log.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Manager, Self::Admin, Self::Auditor];

    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Manager => "manager",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[[admin.key]]",
    doc: "A program that may use the API; `sluice admin key` writes one",
    may_hold_secrets: true,
    keys: &[&ID, &HASH, &ROLE, &TENANTS, &EXPIRES],
};

static ID: Key<Text<Name>, Required> = Key {
    name: "id",
    doc: "What the audit log calls it; unique",
    kind: NAME_TEXT,
    absent: Required("write `id = \"deploy\"`"),
};

static HASH: Key<Text<[u8; 32]>, Required> = Key {
    name: "hash",
    doc: "SHA-256 of the key, as `sluice admin key` prints it",
    kind: Text { parse: hash, looks: Looks::Pattern("^sha256:[0-9a-f]{64}$", "") },
    absent: Required("run `sluice admin key`, and write the `hash` that it prints"),
};

/// The roles, and what each may do.
pub(crate) const ROLE_CHOICE: Choice<Role, 4> = Choice {
    words: &[("viewer", Role::Viewer), ("manager", Role::Manager), ("admin", Role::Admin), ("auditor", Role::Auditor)],
    meanings: [
        "sees queues",
        "sees and changes queues and visits",
        "everything, resets among it",
        "sees queues and the audit log",
    ],
};

static ROLE: Key<Choice<Role, 4>, Required> = Key {
    name: "role",
    doc: "What it may do",
    kind: ROLE_CHOICE,
    absent: Required("write `role = \"viewer\"`, or another of the roles"),
};

static TENANTS: Key<List<Text<Name>>, Optional> = Key {
    name: "tenants",
    doc: "Tenants whose queues it may see and change; those of others do not exist for it",
    kind: List { entries: 1..=1_000, each: NAME_TEXT },
    absent: Optional("all tenants"),
};

static EXPIRES: Key<Text<SystemTime>, Optional> = Key {
    name: "expires",
    doc: "First day (UTC) on which it is refused",
    kind: Text { parse: day, looks: Looks::Pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "a day such as `\"2027-03-31\"`") },
    absent: Optional("never"),
};

pub(super) fn read(table: &Table<'_>, ids: &mut Claims<Name>) -> Read<AdminKey> {
    let id = table.checked(&ID, |value, id| ids.claim_for(id.clone(), value, "key id"));
    let hash = table.read_with(&HASH, |value| value.text(hash));
    let role = table.read(&ROLE);
    let tenants = table.read(&TENANTS);
    let expires = table.read_with(&EXPIRES, |value| value.text(day));
    Ok(AdminKey { id: id?, hash: hash?, role: role?, tenants: tenants?, expires: expires? })
}

fn hash(written: &str) -> Result<[u8; 32], Wrong> {
    let wrong = || {
        Wrong::malformed(
            "not the hash of a key",
            "write the `hash` that `sluice admin key` prints: \"sha256:\" and 64 hexadecimal digits; the key itself \
             belongs to the program alone",
        )
    };
    let digits = written.strip_prefix("sha256:").filter(|digits| digits.len() == 64).ok_or_else(wrong)?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return Err(wrong()) };
        *byte = u8::try_from(high << 4 | low).map_err(|_| wrong())?;
    }
    Ok(hash)
}

/// Midnight (UTC) of a day in the proleptic Gregorian calendar, by the count of days of "days from civil" (Howard
/// Hinnant).
fn day(written: &str) -> Result<SystemTime, Wrong> {
    let wrong = || Wrong::malformed("not a day", "write year, month and day: \"2027-03-31\"");
    let mut parts = written.split('-');
    let mut part = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse::<u64>().ok()
    };
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else { return Err(wrong()) };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(wrong()),
    };
    if written.len() != 10 || year < 1970 || !(1..=days).contains(&day) {
        return Err(wrong());
    }
    // A year begins in March, so that the leap day is its last.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let since_era = years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    Ok(UNIX_EPOCH + Duration::from_secs((since_era - 719_468) * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let unix_days = |written| day(written).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
        for (written, days) in
            [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-29", 20_786), ("2100-03-01", 47_541)]
        {
            assert_eq!(unix_days(written), days, "{written}");
        }
        for written in ["2027-02-29", "2100-02-29", "2027-13-01", "2027-00-10", "2027-04-31", "27-04-01", "2027-4-1"] {
            assert!(day(written).is_err(), "{written}");
        }
    }
}
