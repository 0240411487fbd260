//! TLS to the servers of an origin.

use std::{net::IpAddr, sync::Arc};

use rustls::{RootCertStore, pki_types::CertificateDer};

use super::servers::{OriginServer, ServerAddress};
use crate::{
    declare::{Default, Key, Looks, Nested, Optional, Switch, Table, Text, Value},
    diagnostics::{Kind, Read, Wrong},
    forms::host,
    limits::{FILE_BYTES_MAX, ORIGIN_CA_CERTIFICATES},
    outside::Outside,
    sections::tls::{
        pair::{self, Certificate},
        pem::PemFile,
    },
};

/// How the servers of an origin are spoken to over TLS. They are always verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginTls {
    /// What their certificates have to be for: a host name in lower case, or an IP address; `None`: for the host name of
    /// each server. All servers have one then.
    pub name: Option<String>,
    /// Who must have signed their certificates, at least one; `None`: the authorities that the system trusts.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// What is shown to servers that ask who we are.
    pub client: Option<Arc<Certificate>>,
}

pub(super) static TLS: Key<Switch, Default<bool>> = Key {
    name: "tls",
    doc: "Speak TLS to the servers. Their certificates are always verified",
    kind: Switch,
    absent: Default(|| false),
};

pub(super) static TLS_NAME: Key<Text<String>, Optional> = Key {
    name: "tls_name",
    doc: "Host name or IP address that the servers' certificates are for; required where a server is an IP address",
    kind: Text { parse: name, looks: Looks::Any("") },
    absent: Optional("the server's host name"),
};

pub(super) static TLS_CA_FILE: Key<PemFile, Optional> = Key {
    name: "tls_ca_file",
    doc: "PEM file, from the config folder, of the authorities that sign the servers' certificates",
    kind: PemFile { certificates: Some(ORIGIN_CA_CERTIFICATES), bytes_max: FILE_BYTES_MAX },
    absent: Optional("those that the system trusts"),
};

pub(super) static TLS_CLIENT_CERTIFICATE: Key<Nested, Optional> = Key {
    name: "tls_client_certificate",
    doc: "[Certificate](#certificates) that is shown to servers which ask for one",
    kind: Nested {
        section: &pair::SECTION,
        example: "{ chain = \"tls/client.pem\", key = { file = \"tls/client.key\" } }",
    },
    absent: Optional("none"),
};

/// Reads what is said of TLS to these servers.
pub(super) fn read(
    table: &Table<'_>,
    outside: &Outside<'_>,
    servers: &Read<Vec<OriginServer>>,
) -> Read<Option<OriginTls>> {
    let is_on = table.checked(&TLS, |value, is_on| match servers {
        Ok(servers) if *is_on && servers.iter().any(is_unix) => {
            Err(value.conflict("no TLS is spoken over Unix sockets", "remove it, or name a server with a port"))
        }
        _ => Ok(()),
    });
    let needs_tls = |value: Value<'_>| match is_on {
        Ok(false) => Err(value.conflict(format!("`{}` without TLS", value.key), "add `tls = true`")),
        _ => Ok(()),
    };
    let name = table.checked(&TLS_NAME, |value, _| needs_tls(value));
    let ca = table.read_with(&TLS_CA_FILE, |value| {
        needs_tls(value)?;
        authorities(value, outside)
    });
    let client = table.read_with(&TLS_CLIENT_CERTIFICATE, |value| {
        needs_tls(value)?;
        pair::read_client(value, &TLS_CLIENT_CERTIFICATE.kind, outside)
    });
    let (is_on, name) = (is_on?, name?);
    if let (true, None, Ok(servers)) = (is_on, &name, servers)
        && servers.iter().any(|server| matches!(server.address, ServerAddress::Ip(_)))
    {
        return Err(table.missing(
            "`tls_name` is missing: a server is an IP address, so it is not known whom its certificate is for",
            "write the name in the certificate: `tls_name = \"app.internal\"`; an IP address, if it is for that",
        ));
    }
    let (ca, client) = (ca?, client?);
    Ok(is_on.then_some(OriginTls { name, ca, client }))
}

fn is_unix(server: &OriginServer) -> bool {
    matches!(server.address, ServerAddress::Unix(_))
}

fn authorities(value: Value<'_>, outside: &Outside<'_>) -> Read<Vec<CertificateDer<'static>>> {
    let certificates = TLS_CA_FILE.kind.certificates(value, outside)?;
    for (nth, certificate) in certificates.iter().enumerate() {
        if RootCertStore::empty().add(certificate.clone()).is_err() {
            let message = format!("certificate {} in the file is damaged, or of a kind that is not known", nth + 1);
            let help = "copy the file anew from where it was issued";
            return Err(value.wrong(Wrong::new(Kind::Certificate, message, help)));
        }
    }
    Ok(certificates)
}

fn name(written: &str) -> Result<String, Wrong> {
    match written.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => host::name(written),
    }
}
