//! Certificates in PEM files (RFC 7468).

#[cfg(test)]
mod tests;

use std::{fs::Metadata, ops::RangeInclusive, path::PathBuf};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;

use crate::{
    declare::{Form, Json, Value, json},
    diagnostics::{Kind, Read, Wrong, words::harmless},
    outside::{self, Outside},
    sections::secret,
};

const BEGIN: &str = "-----BEGIN ";
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// The path of a PEM file.
pub(crate) struct PemFile {
    /// How many certificates may be in it; `None`: that is for its reader to say.
    pub(crate) certificates: Option<RangeInclusive<usize>>,
    pub(crate) bytes_max: usize,
}

/// A file that a setting names, as it is.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    metadata: Metadata,
}

impl Form for PemFile {
    fn schema(&self) -> Json {
        json(json!({ "type": "string", "minLength": 1 }))
    }
    fn bounds(&self) -> String {
        let (amount, unit) =
            if self.bytes_max >> 20 > 0 { (self.bytes_max >> 20, "MiB") } else { (self.bytes_max >> 10, "KiB") };
        let count =
            self.certificates.as_ref().map(|bounds| format!("{} to {} certificates, ", bounds.start(), bounds.end()));
        format!("{}at most {amount} {unit}", count.unwrap_or_default())
    }
}

impl PemFile {
    /// Reads the file that `value` names.
    pub(crate) fn read(&self, value: Value<'_>, outside: &Outside<'_>) -> Read<File> {
        read(value, outside, self.bytes_max)
    }

    /// Reads the certificates in the file that `value` names, in their order.
    pub(crate) fn certificates(&self, value: Value<'_>, outside: &Outside<'_>) -> Read<Vec<CertificateDer<'static>>> {
        let file = self.read(value, outside)?;
        let certificates_max = self.certificates.as_ref().map_or(usize::MAX, |bounds| *bounds.end());
        file.certificates(certificates_max).map_err(|wrong| value.wrong(wrong))
    }
}

fn read(value: Value<'_>, outside: &Outside<'_>, bytes_max: usize) -> Read<File> {
    let written = value.string()?;
    if written.contains(BEGIN) {
        // It may be a private key.
        value.hide();
        let help = "write it into a file, and the file's path here";
        return Err(value.wrong(Wrong::malformed("the path of a PEM file belongs here, not its content", help)));
    }
    let opened = outside.open(written);
    let path = opened.path;
    let read = opened.content.and_then(|(file, metadata)| Ok((outside::read_bounded(file, bytes_max)?, metadata)));
    match read {
        Ok((bytes, metadata)) => Ok(File { path, bytes, metadata }),
        Err(error) => Err(value.wrong(Wrong::new(
            Kind::Unreadable,
            format!("the file cannot be read: {error}"),
            format!("it is looked for at {}", harmless(&path.to_string_lossy())),
        ))),
    }
}

impl File {
    fn certificates(&self, certificates_max: usize) -> Result<Vec<CertificateDer<'static>>, Wrong> {
        let has = |text: &str| contains(&self.bytes, text);
        if has(PRIVATE_KEY) {
            // Chain and key in one file are fine, as long as the key is as safe there as in a file of its own.
            secret::only_mine(&self.metadata, &self.path)?;
        }
        let mut all = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(&self.bytes) {
            let Ok(certificate) = certificate else {
                let message = format!("the PEM in the file is damaged after {} certificate(s)", all.len());
                return Err(Wrong::new(Kind::Certificate, message, "copy the file anew from where it was issued"));
            };
            if all.len() == certificates_max {
                let message = format!("the file holds more than {certificates_max} certificates");
                return Err(Wrong::new(Kind::Certificate, message, "leave only those in it that are needed here"));
            }
            all.push(certificate);
        }
        if !all.is_empty() {
            return Ok(all);
        }
        let path = harmless(&self.path.to_string_lossy());
        let (message, help) = match (has(PRIVATE_KEY), has(BEGIN)) {
            (true, _) => (
                "the file holds a private key and no certificate",
                "name a file with `-----BEGIN CERTIFICATE-----` in it; the key belongs in `key`".to_owned(),
            ),
            (false, true) => {
                ("the file holds no certificate", "name a file with `-----BEGIN CERTIFICATE-----` in it".to_owned())
            }
            (false, false) => (
                "the file is not PEM",
                format!("if it is a certificate in DER: openssl x509 -inform der -in {path} -out {path}.pem"),
            ),
        };
        Err(Wrong::new(Kind::Certificate, message, help))
    }
}

/// Whether a text stands in a file that need not be text.
fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
