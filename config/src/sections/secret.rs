//! Secrets: named in a config, kept elsewhere.
//!
//! A config is copied, diffed, mailed and committed; what is in it is no secret. So a secret is either the value of
//! an environment variable or the content of a file that only its owner may read. No message here shows a value, nor
//! a name that might be one by mistake.

#[cfg(test)]
mod tests;

use std::{fmt, fs::Metadata, path::Path};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::json;

use crate::{
    declare::{Form, Json, Key, Looks, Nested, Required, Section, Text, Value, json},
    diagnostics::{Kind, Read, Wrong, mask},
    limits::{PASSWORD_BYTES_MAX, SECRET_BYTES, SECRET_FILE_BYTES_MAX},
    outside::{self, Outside},
};

/// Bytes that never reach a log, an error or a metric: `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps secret bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
    /// The bytes themselves, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that is named in a config and kept elsewhere.
pub(crate) struct Kept {
    /// How its key is written, for a message.
    pub(crate) example: &'static str,
}

static SECTION: Section = Section { name: "a secret", doc: "", may_hold_secrets: true, keys: &[&ENV, &FILE] };

static ENV: Key<Text<String>> = Key {
    name: "env",
    doc: "Name of the environment variable",
    kind: Text { parse: any, looks: Looks::Any("") },
    absent: Required(""),
};

static FILE: Key<Text<String>> = Key {
    name: "file",
    doc: "Path of the file, from the config folder; only its owner may read it",
    kind: Text { parse: any, looks: Looks::Any("") },
    absent: Required(""),
};

impl Form for Kept {
    /// Either of the two keys.
    fn schema(&self) -> Json {
        json(json!({ "anyOf": [SECTION.schema_of(&[&ENV]), SECTION.schema_of(&[&FILE])] }))
    }
    fn bounds(&self) -> String {
        "a [secret](#secrets)".to_owned()
    }
    fn section(&self) -> Option<&'static Section> {
        Some(&SECTION)
    }
}

const EXAMPLE: &str = "{ env = \"SLUICE_KEY\" }` or `{ file = \"master.key\" }";

impl Kept {
    /// A master secret: 32 bytes or more in base64, either alphabet, padded or not.
    pub(crate) fn master(&self, value: Value<'_>, outside: &Outside<'_>) -> Read<Secret> {
        let bytes = decode(&self.content(value, outside)?).ok_or_else(|| {
            value.wrong(Wrong::new(Kind::Secret, "the secret is not base64", "make one with `sluice keygen`"))
        })?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            let message = format!("the secret has {} bytes", bytes.len());
            let (start, end) = (SECRET_BYTES.start(), SECRET_BYTES.end());
            let help = format!("it must have {start} to {end}: make one with `sluice keygen`");
            return Err(value.wrong(Wrong::new(Kind::Secret, message, help)));
        }
        Ok(Secret::new(bytes))
    }

    /// A password: the text as it is, without the line end that editors put behind it.
    pub(crate) fn password(&self, value: Value<'_>, outside: &Outside<'_>) -> Read<Secret> {
        let text = self.content(value, outside)?;
        let text = text.trim_end_matches(['\r', '\n']);
        match text.len() {
            0 => Err(value.wrong(Wrong::new(Kind::Secret, "the password is empty", "store one there"))),
            1..=PASSWORD_BYTES_MAX => Ok(Secret::new(text)),
            _ => Err(value.wrong(Wrong::new(
                Kind::Secret,
                "the password is too long",
                format!("at most {PASSWORD_BYTES_MAX} bytes: is it the right file?"),
            ))),
        }
    }

    /// The text behind `{ env = … }` or `{ file = … }`.
    pub(crate) fn content(&self, value: Value<'_>, outside: &Outside<'_>) -> Read<String> {
        if value.as_str().is_some() {
            value.hide();
            return Err(value.wrong(Wrong::new(
                Kind::Secret,
                "a secret does not stand in the config itself, which gets copied and committed",
                format!("keep it in the environment or in a file: `{EXAMPLE}`"),
            )));
        }
        let kept = Nested { section: &SECTION, example: self.example };
        kept.read(value, |table| match (table.value(&ENV), table.value(&FILE)) {
            (Some(name), None) => from_env(name, outside),
            (None, Some(path)) => from_file(path, outside),
            (Some(_), Some(path)) => {
                Err(path.conflict("`env` and `file` together", format!("write one of them: `{EXAMPLE}`")))
            }
            (None, None) => Err(table.missing("where is the secret?", format!("write `{EXAMPLE}`"))),
        })
    }
}

/// Whether a name or a path is one shows when it is used.
fn any(written: &str) -> Result<String, Wrong> {
    Ok(written.to_owned())
}

fn from_env(value: Value<'_>, outside: &Outside<'_>) -> Read<String> {
    let name = value.string().inspect_err(|_| value.hide())?;
    (outside.env)(name).ok_or_else(|| {
        // Variables are written in capitals. Anything else might be the secret, put in the wrong place.
        let usual = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if !name.bytes().all(usual) {
            value.hide();
        }
        value.wrong(Wrong::new(
            Kind::Secret,
            "this environment variable is not set",
            "set it where Sluice is started, or name another",
        ))
    })
}

fn from_file(value: Value<'_>, outside: &Outside<'_>) -> Read<String> {
    let written = value.string().inspect_err(|_| value.hide())?;
    let opened = outside.open(written);
    let unreadable = |error: std::io::Error| {
        let help = if !mask::master_secrets(written).is_empty() {
            value.hide();
            "name the file that holds the secret, not the secret".to_owned()
        } else {
            format!("it is looked for at {}", crate::diagnostics::words::harmless(&opened.path.to_string_lossy()))
        };
        value.wrong(Wrong::new(Kind::Secret, format!("the file cannot be read: {error}"), help))
    };
    let (file, metadata) = opened.content.map_err(unreadable)?;
    only_mine(&metadata, &opened.path).map_err(|wrong| value.wrong(wrong))?;
    let bytes = outside::read_bounded(file, SECRET_FILE_BYTES_MAX).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| unreadable(std::io::Error::other("not text")))
}

/// Only its owner may read or change a file that holds a secret; or it is as a mounted Secret of Kubernetes is, which belongs
/// to root and may be read by this process's group alone.
pub(crate) fn only_mine(metadata: &Metadata, path: &Path) -> Result<(), Wrong> {
    open_to_others(metadata).map_or(Ok(()), |mode| {
        Err(Wrong::new(
            Kind::Secret,
            format!("other users may read or change the file (mode {mode:03o})"),
            format!(
                "chmod 600 {}; what Kubernetes mounts may have `defaultMode: 0440` and this process's group (`fsGroup`)",
                crate::diagnostics::words::harmless(&path.to_string_lossy())
            ),
        ))
    })
}

/// The mode of a file, if users other than its owner may do anything with it.
#[cfg(unix)]
fn open_to_others(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o777;
    let is_mounted = || is_readable_by_group_alone(mode, metadata.uid()) && is_own_group(metadata.gid());
    (mode & 0o077 != 0 && !is_mounted()).then_some(mode)
}

/// Root's, and none may change it: nothing that a user makes in passing.
#[cfg(unix)]
fn is_readable_by_group_alone(mode: u32, owner: u32) -> bool {
    owner == 0 && mode & !0o440 == 0
}

/// Whether this process is of a group, by its own or by one that it has beside.
#[cfg(unix)]
fn is_own_group(group: u32) -> bool {
    use rustix::process::{getegid, getgroups};
    let beside = getgroups().unwrap_or_default();
    std::iter::once(getegid()).chain(beside).any(|own| own.as_raw() == group)
}

#[cfg(not(unix))]
fn open_to_others(_: &Metadata) -> Option<u32> {
    None
}

/// Base64 in either alphabet, padded or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(text.trim().replace('-', "+").replace('_', "/")).ok()
}
