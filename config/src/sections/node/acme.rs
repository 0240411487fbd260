//! `[acme]`: the authority that tenants' certificates are asked of.

#[cfg(test)]
mod tests;

use std::fmt;

use rustls::pki_types::CertificateDer;

use crate::{
    declare::{Default, Key, List, Looks, Optional, Required, Section, Switch, Table, Text},
    diagnostics::{Kind, Read, Wrong},
    limits::{CERTIFICATE_FILE_BYTES_MAX, ORIGIN_CA_CERTIFICATES},
    outside::Outside,
    sections::{tls::pem::PemFile, webhook},
};

/// `[acme]`: whom certificates are asked of, for tenants that want them (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Where the authority is.
    pub directory: AcmeDirectory,
    /// How the authority reaches the owner, each a `mailto:` URL.
    pub contact: Vec<String>,
    /// Who must have signed the authority's own certificate; `None`: the authorities that the system trusts.
    pub ca: Option<Vec<CertificateDer<'static>>>,
}

/// Where an authority is: a word for one that is known, or the URL of its directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AcmeDirectory(String);

/// Authorities that have a word, and the URLs of their directories.
const KNOWN: [(&str, &str); 2] = [
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
];

impl AcmeDirectory {
    /// The URL of the directory.
    pub fn url(&self) -> &str {
        KNOWN.iter().find(|(word, _)| *word == self.0).map_or(&self.0, |(_, url)| url)
    }
}

/// As it is written.
impl fmt::Display for AcmeDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[acme]",
    doc: "The authority that certificates are asked of, for tenants with `acme = true` in their `[tls]`",
    may_hold_secrets: false,
    keys: &[&ACCEPT_TERMS, &DIRECTORY, &CONTACT, &CA_FILE],
};

static ACCEPT_TERMS: Key<Switch, Required> = Key {
    name: "accept_terms",
    doc: "That you accept the authority's terms of service; without them it issues nothing",
    kind: Switch,
    absent: Required("read the authority's terms of service, and write `accept_terms = true`"),
};

static DIRECTORY: Key<Text<AcmeDirectory>, Default<AcmeDirectory>> = Key {
    name: "directory",
    doc: "The authority: `\"letsencrypt\"`, `\"letsencrypt-staging\"` for trials (browsers do not trust it), or the URL of \
          another one's directory",
    kind: Text {
        parse: directory,
        looks: Looks::Pattern("^(letsencrypt|letsencrypt-staging|https://[^@#\\s]+)$", "a word or an `https://` URL"),
    },
    absent: Default(|| AcmeDirectory(KNOWN[0].0.to_owned())),
};

static CONTACT: Key<List<Text<String>>, Optional> = Key {
    name: "contact",
    doc: "Where the authority writes to when something is wrong; it hears of it when the account is made",
    kind: List {
        entries: 1..=10,
        each: Text { parse: contact, looks: Looks::Pattern("^mailto:[^@\\s?,]+@[^@\\s?,]+$", "`mailto:` URLs") },
    },
    absent: Optional("nowhere"),
};

static CA_FILE: Key<PemFile, Optional> = Key {
    name: "ca_file",
    doc: "PEM file, from the config folder, of the authorities that sign the certificate of the directory itself, for an \
          authority of your own",
    kind: PemFile { certificates: Some(ORIGIN_CA_CERTIFICATES), bytes_max: CERTIFICATE_FILE_BYTES_MAX },
    absent: Optional("those that the system trusts"),
};

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Acme> {
    let accepted = table.checked(&ACCEPT_TERMS, |value, accepted| match accepted {
        true => Ok(()),
        false => Err(value.wrong(Wrong::new(
            Kind::Conflict,
            "without its terms of service an authority issues nothing",
            "read them, and write `accept_terms = true`; or leave out [acme]",
        ))),
    });
    let directory = table.read(&DIRECTORY);
    let contact = table.read(&CONTACT);
    let ca = table.read_with(&CA_FILE, |value| CA_FILE.kind.certificates(value, outside));
    accepted?;
    Ok(Acme { directory: directory?, contact: contact?.unwrap_or_default(), ca: ca? })
}

fn directory(written: &str) -> Result<AcmeDirectory, Wrong> {
    if KNOWN.iter().any(|(word, _)| *word == written) {
        return Ok(AcmeDirectory(written.to_owned()));
    }
    const HELP: &str =
        "write \"letsencrypt\", \"letsencrypt-staging\", or the URL of a directory, which begins with https://";
    match webhook::url(written) {
        Ok(url) if url.https => Ok(AcmeDirectory(written.to_owned())),
        Ok(_) => Err(Wrong::malformed("certificates that are asked for in plain HTTP could be anybody's", HELP)),
        Err(_) => Err(Wrong::malformed("no authority of that name, and no URL", HELP)),
    }
}

fn contact(written: &str) -> Result<String, Wrong> {
    let is_address = |rest: &str| {
        let plain = rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b','));
        plain && rest.split('@').count() == 2 && rest.split('@').all(|part| !part.is_empty())
    };
    match written.strip_prefix("mailto:").is_some_and(is_address) && written.len() <= 254 {
        true => Ok(written.to_owned()),
        false => Err(Wrong::malformed("not a `mailto:` URL of one address", "write \"mailto:ops@example.com\"")),
    }
}
