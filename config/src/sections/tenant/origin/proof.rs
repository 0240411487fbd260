//! `[origin.proof]`: how an origin knows that a request has come through Sluice.

use crate::{
    declare::{Key, Nested, Optional, Required, Section, Table},
    diagnostics::{Kind, Read, Wrong},
    outside::Outside,
    sections::secret::{Kept, Secret},
};

/// Fewer bytes of a secret could be guessed (RFC 7518, 3.2: as many as the hash has).
const SECRET_BYTES_MIN: usize = 32;

/// `[origin.proof]`: requests carry a token that the origin can verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key of the tokens: the secret's text, as the origin has it too.
    pub secret: Secret,
}

pub(crate) static SECTION: Section = Section {
    name: "[origin.proof]",
    doc: "Requests to the origin carry a short-lived token, `Sluice-Proof`, so that it can refuse those that went past Sluice",
    may_hold_secrets: true,
    keys: &[&SECRET],
};

static SECRET: Key<Kept> = Key {
    name: "secret",
    doc: "Text of 32 to 4,096 bytes that the origin knows as well, such as `sluice keygen` prints. It signs as it is \
          written, and is not decoded",
    kind: Kept { example: "secret = { env = \"SLUICE_PROOF\" }" },
    absent: Required("write `secret = { env = \"SLUICE_PROOF\" }`"),
};

pub(super) static PROOF: Key<Nested, Optional> = Key {
    name: "proof",
    doc: SECTION.doc,
    kind: Nested { section: &SECTION, example: "[origin.proof]" },
    absent: Optional("none is sent"),
};

pub(super) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Proof> {
    let secret = table.read_with(&SECRET, |value| {
        let secret = SECRET.kind.password(value, outside)?;
        match secret.expose().len() {
            SECRET_BYTES_MIN.. => Ok(secret),
            bytes => Err(value.wrong(Wrong::new(
                Kind::Secret,
                format!("the secret has {bytes} bytes"),
                format!("it must have at least {SECRET_BYTES_MIN}: make one with `sluice keygen`"),
            ))),
        }
    });
    Ok(Proof { secret: secret? })
}
