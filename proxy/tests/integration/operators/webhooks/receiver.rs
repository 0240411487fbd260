//! A receiver of webhooks that answers as a test wants, and checks signatures by the convention's own words.

use std::{
    collections::VecDeque,
    fs,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use crate::support::{Node, SOON};

/// As an operator would write it.
pub(super) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// What the receiver answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Status(u16),
    Redirect(String),
    /// The connection stays open, and nothing comes.
    Never,
}

/// What has come.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
    from: SocketAddr,
}

pub(super) struct Receiver {
    pub(super) addr: SocketAddr,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    told: tokio::sync::Mutex<mpsc::UnboundedReceiver<Told>>,
    count: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    /// One that answers 204 unless it is told otherwise.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (answers, count, connections) =
            <(Arc<Mutex<VecDeque<Answer>>>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (send, told) = mpsc::unbounded_channel();
        let (script, counted, seen) = (answers.clone(), count.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                let (send, script, counted) = (send.clone(), script.clone(), counted.clone());
                tokio::spawn(async move {
                    // A sender that breaks off in the middle has told nothing.
                    let Some((told, mut stream)) = read(stream, from).await else { return };
                    counted.fetch_add(1, Ordering::SeqCst);
                    let answer = script.lock().unwrap().pop_front().unwrap_or(Answer::Status(204));
                    let _ = send.send(told);
                    let head = match answer {
                        Answer::Status(status) => format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"),
                        Answer::Redirect(to) => {
                            format!("HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
                        }
                        Answer::Never => return std::future::pending().await,
                    };
                    let _ = stream.write_all(head.as_bytes()).await;
                });
            }
        });
        Self { addr, answers, told: tokio::sync::Mutex::new(told), count, connections }
    }

    /// What is answered first; then 204.
    pub(super) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub(super) async fn next(&self) -> Told {
        self.next_within(SOON).await
    }

    pub(super) async fn next_within(&self, limit: Duration) -> Told {
        timeout(limit, self.told.lock().await.recv()).await.expect("something is told").unwrap()
    }

    /// How often something was told.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Which node holds the connection on which this has come.
    pub(super) fn sender(&self, told: &Told, nodes: &[Node; 3]) -> usize {
        let inode = inode(told.from.port(), self.addr.port());
        let link = format!("socket:[{inode}]");
        let holds = |node: &Node| {
            let files = fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap();
            files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy() == link))
        };
        nodes.iter().position(holds).expect("one of the nodes has sent it")
    }
}

/// The inode of a socket from one port of this machine to another, as the system lists it.
fn inode(from: u16, to: u16) -> String {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = [format!(":{from:04X}"), format!(":{to:04X}")];
    let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut found = row.filter(|row| row.len() > 9 && row[1].ends_with(&ends[0]) && row[2].ends_with(&ends[1]));
    found.next().expect("the connection is open")[9].to_owned()
}

async fn read(stream: TcpStream, from: SocketAddr) -> Option<(Told, BufReader<TcpStream>)> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((Told { method, target, headers, body: String::from_utf8(body).ok()?, from }, stream))
}

impl Told {
    pub(super) fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|header| header.0 == name).unwrap_or_else(|| panic!("no {name}: {self:?}")).1
    }

    pub(super) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// "The content to sign is the id, the timestamp and the payload, joined by full stops; the signature is HMAC-SHA256 of
    /// it in base64, with the identifier of its version before it; the secret is what stands behind `whsec_`, in base64."
    pub(super) fn verify(&self) {
        let key = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let content = [self.id(), self.header("webhook-timestamp"), &self.body].join(".");
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content.as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(signed));
        let given: Vec<_> = self.header("webhook-signature").split(' ').collect();
        assert!(given.contains(&expected.as_str()), "{given:?} is not {expected}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let timestamp: u64 = self.header("webhook-timestamp").parse().unwrap();
        assert!(now.abs_diff(timestamp) < 300, "{timestamp} at {now}");
        assert_eq!(self.header("content-type"), "application/json");
        assert!(self.body.len() < 20_000);
    }
}
