//! Certificates made at run time: an authority, and what it signs.

use std::{path::Path, process::Command};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority that clients, or nodes, trust.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
}

/// A certificate with its key.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) chain_pem: String,
    pub(crate) key_pem: String,
    key_der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, certificate) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate, pem }
    }

    /// A server's certificate with a P-256 key.
    pub(crate) fn server(&self, hosts: &[&str]) -> Pair {
        self.signs(KeyPair::generate().unwrap(), hosts, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// The same, and it was valid until a year ago.
    pub(crate) fn expired_server(&self, hosts: &[&str]) -> Pair {
        let until = |params: &mut CertificateParams| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        };
        self.signs_with(KeyPair::generate().unwrap(), hosts, ExtendedKeyUsagePurpose::ServerAuth, until)
    }

    /// The same with an RSA key, which the cryptography of the proxy signs with and does not make.
    pub(crate) fn rsa_server(&self, hosts: &[&str]) -> Pair {
        let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-quiet"]).output();
        let made = made.expect("openssl is needed: apt-get install openssl");
        let key = KeyPair::from_pem(str::from_utf8(&made.stdout).unwrap()).unwrap();
        self.signs(key, hosts, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate by which a client shows who it is.
    pub(crate) fn client(&self, name: &str) -> Pair {
        self.signs(KeyPair::generate().unwrap(), &[name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn signs(&self, key: KeyPair, names: &[&str], usage: ExtendedKeyUsagePurpose) -> Pair {
        self.signs_with(key, names, usage, |_| {})
    }

    fn signs_with(
        &self,
        key: KeyPair,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, &names[0]);
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.der().clone(),
            chain_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    }
}

impl Pair {
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone()))
    }

    /// Writes `NAME.pem` and `NAME.key`, each whole at once, as those who renew certificates should.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        put(folder, &format!("{name}.key"), &self.key_pem);
        put(folder, &format!("{name}.pem"), &self.chain_pem);
    }
}

/// Writes a file that only its owner may read, as keys have to be.
pub(crate) fn put(folder: &Path, name: &str, text: &str) {
    use std::{fs, os::unix::fs::PermissionsExt as _};
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, folder.join(name)).unwrap();
}
