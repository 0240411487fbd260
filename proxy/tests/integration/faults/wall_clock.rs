//! The wall clock of a process, wrong by as much as a test says, from one moment to the next.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use crate::{servers::Server, support::Setup};

/// What is loaded into the process.
const SHIM: &str = include_str!("wall_clock.c");

/// Another wall clock for processes that are started with it.
#[derive(Debug)]
pub(super) struct WallClock {
    dir: TempDir,
}

impl WallClock {
    /// A clock that is right.
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let source = dir.path().join("wall_clock.c");
        fs::write(&source, SHIM).unwrap();
        let clock = Self { dir };
        fs::write(clock.offset(), 0_i64.to_ne_bytes()).unwrap();
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(clock.shim()).arg(source).output();
        let compiled = compiled.unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => panic!("cc is not installed (Debian: apt install build-essential)"),
            _ => panic!("cc: {error}"),
        });
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        clock
    }

    /// Steps to so many minutes ahead of the right time.
    pub(super) fn set_minutes(&self, minutes: i64) {
        // In place: whoever has begun with it has the file in its memory.
        let file = fs::OpenOptions::new().write(true).open(self.offset()).unwrap();
        file.write_all_at(&(minutes * 60).to_ne_bytes(), 0).unwrap();
    }

    /// What a process must have in its environment.
    pub(super) fn env(&self) -> [(String, String); 2] {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [("LD_PRELOAD".into(), text(self.shim())), ("WALL_CLOCK_OFFSET".into(), text(self.offset()))]
    }

    pub(super) fn for_node(&self, setup: Setup) -> Setup {
        self.env().iter().fold(setup, |setup, (name, value)| setup.env(name, value))
    }

    /// A node says in its log what time it is; the test would show nothing if it had the right one.
    pub(super) fn assert_said_in(&self, log: &str) {
        let (right, off) = (now_s(), self.seconds());
        let said = log.lines().rev().find_map(|line| unix_s(line.get(..19)?)).unwrap();
        assert!((said - right - off).abs() < 90, "{off} s off expected, {} s found", said - right);
    }

    /// The same for a store.
    pub(super) fn assert_told_by(&self, server: &Server) {
        let told: (i64, i64) = server.command(&["TIME"]);
        let (right, off) = (now_s(), self.seconds());
        assert!((told.0 - right - off).abs() < 90, "{off} s off expected, {} s found", told.0 - right);
    }

    fn seconds(&self) -> i64 {
        i64::from_ne_bytes(fs::read(self.offset()).unwrap().try_into().unwrap())
    }

    fn shim(&self) -> PathBuf {
        self.dir.path().join("wall_clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.dir.path().join("offset")
    }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// `2026-11-21T13:19:13` as seconds since 1970; `None` if it is something else.
fn unix_s(text: &str) -> Option<i64> {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    // Days from civil: the year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + part(11..13)?) * 60 + part(14..16)?) * 60 + part(17..19)?)
}
