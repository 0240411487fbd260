//! A config directory to make mistakes in.
//!
//! The offending text is marked in the TOML itself, `burst = «0»`, so that a test says where a mistake stands
//! without counting lines and columns.

pub(crate) mod certificates;
pub(crate) mod fuzz;

use std::{
    cell::RefCell,
    fs::File,
    io,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use crate::{
    diagnostics::{Errors, Kind, Mistake},
    load,
    outside::Outside,
    settings::{Config, Queue, Tenant},
};
use certificates::Pair;

/// When the next file is written, in seconds.
static WRITTEN: AtomicU64 = AtomicU64::new(1_700_000_000);

/// 32 bytes in base64, and what must never be seen of it.
pub(crate) const KEY: &str = "c2x1aWNlIHNsdWljZSBzbHVpY2Ugc2x1aWNlIHNsdWk=";

pub(crate) const NODE: &str = "[server]\n";
pub(crate) const ORIGIN: &str = "[origin]\nservers = [\"127.0.0.1:9000\"]\n";
pub(crate) const TENANT: &str = "name = \"shop\"\nhosts = [\"shop.example.com\"]\n";
pub(crate) const QUEUE: &str = "[[queue]]\nname = \"shop\"\nrelease_per_minute = 600\n";

/// The time in tests: the first moment of June 2026.
pub(crate) const NOW_S: u64 = 1_780_272_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S)
}

/// A tenant's file with more lines in its only queue.
pub(crate) fn queue(lines: &str) -> String {
    format!("{TENANT}{ORIGIN}{QUEUE}{lines}\n")
}

/// A tenant's file with more lines in its `[origin]`.
pub(crate) fn origin(lines: &str) -> String {
    format!("{TENANT}{ORIGIN}{lines}\n{QUEUE}")
}

/// A tenant's file with these lines in its `[tls]`.
pub(crate) fn tls(lines: &str) -> String {
    format!("{TENANT}{ORIGIN}[tls]\n{lines}\n{QUEUE}")
}

/// A tenant's file with something between its queue and its end, or instead of a part.
pub(crate) fn tenant(parts: &[&str]) -> String {
    parts.concat()
}

/// A config directory in a temporary folder; it begins as the smallest valid one.
pub(crate) struct Dir {
    folder: TempDir,
    env: Vec<(&'static str, String)>,
    marks: RefCell<Vec<(String, usize, usize, String)>>,
}

impl Dir {
    pub(crate) fn new() -> Self {
        let env = vec![
            ("SLUICE_KEY", KEY.to_owned()),
            ("SLUICE_STORE_PASSWORD", "hunter2".to_owned()),
            ("SLUICE_PROOF", KEY.to_owned()),
        ];
        let dir = Self { folder: tempfile::tempdir().unwrap(), env, marks: RefCell::default() };
        dir.with("sluice.toml", NODE).with("tenants/shop.toml", &queue(""))
    }

    /// The smallest valid directory with another `sluice.toml`.
    pub(crate) fn node(text: &str) -> Self {
        Self::new().with("sluice.toml", text)
    }

    /// The smallest valid directory with another tenant.
    pub(crate) fn tenant(text: &str) -> Self {
        Self::new().with("tenants/shop.toml", text)
    }

    /// Writes a file, without the marks in it.
    pub(crate) fn with(self, name: &str, marked: &str) -> Self {
        self.marks.borrow_mut().retain(|(file, ..)| file != name);
        let mut text = String::new();
        let mut pieces = marked.split('«');
        text.push_str(pieces.next().unwrap());
        for piece in pieces {
            let (marked, rest) = piece.split_once('»').expect("a mark is closed");
            let line = text.matches('\n').count() + 1;
            let column = text.rsplit('\n').next().unwrap().chars().count() + 1;
            self.marks.borrow_mut().push((name.to_owned(), line, column, marked.to_owned()));
            text.push_str(marked);
            text.push_str(rest);
        }
        self.with_bytes(name, text.as_bytes())
    }

    pub(crate) fn with_bytes(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        // A second later than whatever was written before: many systems count time in steps that a test fits into.
        let at = UNIX_EPOCH + Duration::from_secs(WRITTEN.fetch_add(1, Ordering::Relaxed));
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        self
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn with_private(self, name: &str, text: &str) -> Self {
        let dir = self.with_bytes(name, text.as_bytes());
        dir.set_mode(name, 0o600);
        dir
    }

    /// Writes `tls/NAME.pem` and `tls/NAME.key`.
    pub(crate) fn with_pair(self, name: &str, pair: &Pair) -> Self {
        self.with_bytes(&format!("tls/{name}.pem"), pair.chain.as_bytes())
            .with_private(&format!("tls/{name}.key"), &pair.key)
    }

    #[cfg(unix)]
    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(self.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    pub(crate) fn set_mode(&self, _: &str, _: u32) {}

    pub(crate) fn with_env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(0, (name, value.to_owned()));
        self
    }

    pub(crate) fn without(self, name: &str) -> Self {
        let path = self.path().join(name);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn load(&self) -> Result<Config, Errors> {
        let env = |name: &str| self.env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        // No test asks a name server. Those that a config names know one name more.
        let resolve = |resolvers: &[SocketAddr], host: &str, port: u16| match host {
            "of-a-resolver.example.com" if !resolvers.is_empty() => {
                Ok(resolvers.iter().map(|resolver| SocketAddr::new(resolver.ip(), port)).collect())
            }
            "localhost" => Ok(vec![([0, 0, 0, 0, 0, 0, 0, 1], port).into(), ([127, 0, 0, 1], port).into()]),
            "two.example.com" => Ok(vec![([192, 0, 2, 2], port).into(), ([192, 0, 2, 1], port).into()]),
            "none.example.com" => Ok(Vec::new()),
            _ => Err(io::Error::other("no such host")),
        };
        let outside = Outside { resolve: &resolve, now: now(), ..Outside::new(self.path(), &env) };
        load::read(&outside)
    }

    pub(crate) fn config(&self) -> Config {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    pub(crate) fn only_tenant(&self) -> Tenant {
        Tenant::clone(&self.config().tenants[0])
    }

    pub(crate) fn only_queue(&self) -> Queue {
        Queue::clone(&self.only_tenant().queues[0])
    }

    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        match self.load() {
            Ok(config) => panic!("no mistake in {config:?}"),
            Err(errors) => errors.mistakes().to_vec(),
        }
    }

    /// The only mistake stands at the only mark.
    pub(crate) fn mistake(&self) -> Mistake {
        let mistakes = self.mistakes();
        let [mistake] = mistakes.as_slice() else {
            panic!("not one mistake: {mistakes:#?}");
        };
        self.check_marks();
        mistake.clone()
    }

    /// All mistakes stand at the marks, one at each, in their order.
    pub(crate) fn check_marks(&self) {
        let place = |mistake: &Mistake| {
            let file = mistake.file().strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned();
            (file, mistake.line(), mistake.column(), mistake.text().to_owned())
        };
        let found: Vec<_> = self.mistakes().iter().map(place).collect();
        assert_eq!(found, *self.marks.borrow(), "\n{}", self.load().unwrap_err());
    }

    /// The only mistake stands at the only mark, is of this kind, and says and advises this.
    #[track_caller]
    pub(crate) fn is_wrong(&self, kind: Kind, says: &str, advises: &str) {
        let mistake = self.mistake();
        let found = (mistake.kind(), mistake.message().contains(says), mistake.help().contains(advises));
        assert_eq!(found, (kind, true, true), "{mistake:#?}");
    }
}

/// Compares a file of this crate with what the declarations make of it, or writes it anew if `SLUICE_WRITE` is set.
#[track_caller]
pub(crate) fn generated(name: &str, from: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = from(&found);
    if std::env::var_os("SLUICE_WRITE").is_some() {
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(found == expected, "{} is out of date: set SLUICE_WRITE=1 and run again", path.display());
}
