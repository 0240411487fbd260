//! One request at a time to a site, past DNS: to this address, under that name.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::commands::Failed;

/// From the connection to the last byte of an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What is read of an answer: more of a page says no more of it.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Where a site is asked, and under which name.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) at: SocketAddr,
    pub(super) host: String,
    pub(super) tls: bool,
    /// The address that is asked from, if that matters.
    pub(super) from: Option<IpAddr>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
}

impl Ask {
    /// What a browser sends to load a page.
    pub(super) fn page(path: &str) -> Self {
        let fields = vec![
            (header::ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8")),
            (header::ACCEPT_LANGUAGE, HeaderValue::from_static("en")),
            (header::USER_AGENT, HeaderValue::from_static("sluice")),
        ];
        Self { method: Method::GET, path: path.to_owned(), fields }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        // What no field may hold is left out, and the answer says what comes of it.
        self.fields.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        self
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn field(&self, name: &HeaderName) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }

    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Asks sites.
pub(super) struct Probe {
    tls: Arc<ClientConfig>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Probe {
    /// Trusts what this system trusts, and the authorities in a file of PEM.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, Failed> {
        let mut roots = RootCertStore::empty();
        // One that cannot be read is one that signs nothing.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca {
            let wrong = |error: &dyn std::fmt::Display| Failed::Because(format!("{}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut tls =
            builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls) })
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask(&self, way: &Way, ask: &Ask) -> Result<Answer, String> {
        let asked = async {
            let stream: Box<dyn Stream> = match way.tls {
                true => Box::new(self.shake(way).await?),
                false => Box::new(connect(way).await?),
            };
            exchange(stream, way, ask).await
        };
        let within = format!("{} does not answer within {} s", way.at, ANSWER_WITHIN.as_secs());
        timeout(ANSWER_WITHIN, asked).await.map_err(|_| within)?
    }

    /// For how many days the certificate is still good that a site shows for its name.
    pub(super) async fn certificate_days(&self, way: &Way) -> Result<u64, String> {
        let shown = async {
            let stream = self.shake(way).await?;
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let leaf = chain.first().ok_or("it shows no certificate")?;
            let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|error| error.to_string())?;
            let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            Ok(u64::try_from(leaf.validity().not_after.timestamp()).unwrap_or(0).saturating_sub(now_s) / 86_400)
        };
        timeout(ANSWER_WITHIN, shown).await.map_err(|_| format!("{} does not answer", way.at))?
    }

    async fn shake(&self, way: &Way) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(way.host.clone()).map_err(|error| format!("{}: {error}", way.host))?;
        let tcp = connect(way).await?;
        let shaken = TlsConnector::from(self.tls.clone()).connect(name, tcp).await;
        shaken.map_err(|error| format!("TLS with {}: {error}", way.at))
    }
}

async fn connect(way: &Way) -> Result<TcpStream, String> {
    let socket = if way.at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let connected = async {
        let socket = socket?;
        if let Some(from) = way.from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        socket.connect(way.at).await
    };
    connected.await.map_err(|error| format!("{}: {error}", way.at))
}

async fn exchange(stream: Box<dyn Stream>, way: &Way, ask: &Ask) -> Result<Answer, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", way.at);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    let mut request = Request::builder().method(&ask.method).uri(&ask.path).header(header::HOST, &way.host);
    for (name, value) in &ask.fields {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::new())).map_err(|e| failed(&e))?;
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(|e| failed(&e))?.into_parts();
        let body = if head.status == StatusCode::SWITCHING_PROTOCOLS {
            Bytes::new()
        } else {
            // What is longer than is worth reading is as good as its beginning.
            Limited::new(body, BODY_BYTES_MAX).collect().await.map(|body| body.to_bytes()).unwrap_or_default()
        };
        Ok(Answer { status: head.status, fields: head.headers, body })
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failed(&error)),
        },
    }
}
