//! A certificate for the demo: made at the start, known to nobody, gone with the process.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::{
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};
use sluice_config::{Certificate, HostPattern};

use crate::commands::Failed;

const VALID: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Makes a P-256 key, and a certificate for these hosts that it has signed itself.
pub(super) fn make(hosts: &[&str]) -> Result<Certificate, Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed::Because(format!("no certificate could be made: {error}"));
    let names = hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names.clone()).map_err(|e| failed(&e))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Sluice demo");
    let (now, day) = (SystemTime::now(), Duration::from_secs(24 * 3_600));
    // From yesterday, for clocks that are late.
    params.not_before = (now - day).into();
    params.not_after = (now + VALID).into();
    let key = KeyPair::generate().map_err(|e| failed(&e))?;
    let certificate = params.self_signed(&key).map_err(|e| failed(&e))?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone()];
    let pair = CertifiedKey::from_der(chain, der, &ring::default_provider()).map_err(|e| failed(&e))?;
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(Certificate {
        pair: Arc::new(pair),
        names: names.into_iter().map(HostPattern::Exact).collect(),
        not_before_s: seconds(now - day),
        not_after_s: seconds(now + VALID),
    })
}
