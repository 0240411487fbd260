//! An authority on this machine: pebble, with name servers that lead every host here.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tempfile::TempDir;

use crate::{
    servers::Reserved,
    support::{Authority, Connection, HOST, Request, TlsClient, certificates::put, until},
};

/// How an authority behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// Percent of nonces that it refuses though they are good.
    pub(super) refuses_nonces: u8,
    /// How long its certificates are good.
    pub(super) validity_s: u32,
}

impl Default for Manners {
    fn default() -> Self {
        Self { refuses_nonces: 0, validity_s: 90 * 24 * 60 * 60 }
    }
}

/// A running authority. It ends with the test.
#[derive(Debug)]
pub(super) struct Pebble {
    dir: TempDir,
    /// Who has signed the certificate of its directory.
    signer: Authority,
    directory: Reserved,
    management: Reserved,
    children: Vec<Child>,
}

impl Pebble {
    /// One that asks for proofs at this port.
    pub(super) async fn start(http_port: u16, manners: Manners) -> Self {
        let [directory, management, dns, dns_management] = [(); 4].map(|()| Reserved::new());
        let dir = TempDir::new().unwrap();
        let signer = Authority::new("who signs the directory");
        signer.server(&["127.0.0.1", "localhost"]).write(dir.path(), "directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": directory.addr().to_string(),
            "managementListenAddress": management.addr().to_string(),
            "certificate": path("directory.pem"),
            "privateKey": path("directory.key"),
            "httpPort": http_port,
            "tlsPort": 1,
            "certificateValidityPeriod": manners.validity_s,
        }});
        put(dir.path(), "pebble.json", &config.to_string());
        let names = spawn(dir.path(), "pebble-challtestsrv", |command| {
            command.args(["-dns01", &dns.addr().to_string(), "-management", &dns_management.addr().to_string()]);
            command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        });
        let pebble = spawn(dir.path(), "pebble", |command| {
            command.args(["-strict", "-config", &path("pebble.json"), "-dnsserver", &dns.addr().to_string()]);
            command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
            command.env("PEBBLE_WFE_NONCEREJECT", manners.refuses_nonces.to_string());
        });
        let started = Self { dir, signer, directory, management, children: vec![names, pebble] };
        for addr in [started.directory.addr(), started.management.addr(), dns_management.addr()] {
            until("the authority listens", async || Connection::try_open(addr).await.ok()).await;
        }
        started
    }

    /// `[acme]` of a node that asks it.
    pub(super) fn section(&self) -> String {
        format!(
            "[acme]\naccept_terms = true\ndirectory = \"https://localhost:{}/dir\"\nca_file = \"authority.pem\"",
            self.directory.port()
        )
    }

    /// The file that the section names.
    pub(super) fn ca_file(&self) -> &str {
        &self.signer.pem
    }

    /// A client that trusts what it issues.
    pub(super) async fn client(&self) -> TlsClient {
        let tls = TlsClient::new(&self.signer, None);
        let stream = tls.connect(self.management.addr(), "localhost").await.unwrap();
        let root = Connection::over(stream).ask(&Request::new("GET", "/roots/0").host("localhost")).await;
        TlsClient::trusting(CertificateDer::from_pem_slice(root.text().as_bytes()).unwrap())
    }

    /// How many certificates it has issued, by its own log.
    pub(super) fn issued(&self) -> usize {
        let log = std::fs::read_to_string(self.dir.path().join("pebble.log")).unwrap();
        log.matches("Issued certificate serial").count()
    }

    /// How many proofs it has looked for in vain.
    pub(super) fn failed(&self) -> usize {
        let log = std::fs::read_to_string(self.dir.path().join("pebble.log")).unwrap();
        log.matches("set INVALID by completed challenge").count()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(dir: &Path, program: &str, prepare: impl FnOnce(&mut Command)) -> Child {
    let log = File::create(dir.join(format!("{program}.log"))).unwrap();
    let mut command = Command::new(program);
    prepare(&mut command);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{program} is needed: apt-get install pebble ({error})"))
}

/// A shop whose certificates come by ACME.
pub(super) fn tenant(tenant: crate::support::Tenant) -> crate::support::Tenant {
    tenant.queue("shop", "release_per_minute = 6000\nmode = \"open\"").section("[tls]\nacme = true")
}

/// So many hosts of a shop.
pub(super) fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|nth| if nth == 0 { HOST.to_owned() } else { format!("s{nth}.example.com") }).collect()
}
