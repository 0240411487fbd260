//! Sites that are made for a test, each with as many faults as it wants.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::SystemTime,
};

/// A request as it came.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    /// In lower case.
    head: String,
    pub(super) peer: IpAddr,
}

impl Asked {
    /// The value of a field, by its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A site that runs until the test process ends.
pub(super) struct Site {
    pub(super) addr: SocketAddr,
}

impl Site {
    /// Answers with status, further fields as `Name: value` lines, and a body.
    pub(super) fn start(answer: impl Fn(&Asked) -> (u16, String, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                // A client that goes away in between is no matter of the site's.
                thread::spawn(move || serve(stream, &*answer));
            }
        });
        Self { addr }
    }
}

fn serve(mut stream: std::net::TcpStream, answer: &dyn Fn(&Asked) -> (u16, String, String)) -> Option<()> {
    let peer = stream.peer_addr().ok()?.ip();
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&piece[..length]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (status, fields, body) = answer(&Asked { method, path, head: head.to_ascii_lowercase(), peer });
    let fields: String = fields.lines().map(|line| format!("{line}\r\n")).collect();
    let length =
        if status == 101 { String::new() } else { format!("Content-Length: {}\r\nConnection: close\r\n", body.len()) };
    write!(stream, "HTTP/1.1 {status} Status\r\n{fields}{length}\r\n{body}").ok()?;
    if status == 101 {
        // Until the other side closes.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    Some(())
}

/// `Date` of a moment.
pub(super) fn date(at: SystemTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let stamp = humantime::format_rfc3339_seconds(at).to_string();
    let month: usize = stamp[5..7].parse().unwrap();
    format!("Date: Mon, {} {} {} {} GMT", &stamp[8..10], MONTHS[month - 1], &stamp[..4], &stamp[11..19])
}
