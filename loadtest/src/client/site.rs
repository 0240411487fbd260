//! A site with a certificate: a P-256 authority and what it signs, made anew for each run.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName},
    version::TLS13,
};

use super::{Protocol, Tickets, Way};
use crate::Failed;

/// Hosts, the files that a server presents for them, and clients who trust these.
#[derive(Debug)]
pub(crate) struct Site {
    hosts: Vec<String>,
    authority: CertificateDer<'static>,
    /// The authority's own certificate as it is named in others, and its key.
    issuer: Arc<Issuer<'static, KeyPair>>,
    chain: String,
    key: String,
}

/// Where a server finds its certificate.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file.
    pub(crate) pair: PathBuf,
}

impl Site {
    /// What a tenant's file says of what [`Self::write`] has left in the config folder. Plain HTTP stays plain, so that
    /// both can be measured.
    pub(crate) const TENANT: &str = "[tls]\ncertificates = [{ chain = \"site.pem\", key = { file = \"site.key\" } \
                                     }]\nredirect_http = false\n\n";

    pub(crate) fn new(hosts: &[&str]) -> Result<Self, Failed> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "Authority of a load test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let root = authority.self_signed(&authority_key)?;
        let issuer = Arc::new(Issuer::new(authority, authority_key));
        Self::issued(hosts.iter().map(ToString::to_string).collect(), root.der().clone(), issuer)
    }

    /// The same with another key and certificate, by the same authority.
    pub(crate) fn renewed(&self) -> Result<Self, Failed> {
        Self::issued(self.hosts.clone(), self.authority.clone(), self.issuer.clone())
    }

    fn issued(
        hosts: Vec<String>,
        authority: CertificateDer<'static>,
        issuer: Arc<Issuer<'static, KeyPair>>,
    ) -> Result<Self, Failed> {
        let mut leaf = CertificateParams::new(hosts.clone())?;
        leaf.distinguished_name.push(DnType::CommonName, "A site of a load test");
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let chain = leaf.signed_by(&key, &issuer)?.pem();
        Ok(Self { hosts, authority, issuer, chain, key: key.serialize_pem() })
    }

    /// Writes chain and key; the key for the owner only.
    pub(crate) fn write(&self, dir: &Path) -> Result<Files, Failed> {
        let files = Files { chain: dir.join("site.pem"), key: dir.join("site.key"), pair: dir.join("pair.pem") };
        fs::write(&files.chain, &self.chain)?;
        for (file, text) in [(&files.key, self.key.clone()), (&files.pair, format!("{}{}", self.chain, self.key))] {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(file)?.write_all(text.as_bytes())?;
        }
        Ok(files)
    }

    /// A way to one of the hosts over TLS 1.3 and X25519, which resumes by these tickets.
    pub(crate) fn way(&self, host: &str, protocol: Protocol, tickets: Arc<Tickets>) -> Result<Way, Failed> {
        let provider = CryptoProvider { kx_groups: vec![ring::kx_group::X25519], ..ring::default_provider() };
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone())?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config.resumption = Resumption::store(tickets);
        Ok(Way::over_tls(protocol, Arc::new(config), ServerName::try_from(host.to_owned())?))
    }
}
