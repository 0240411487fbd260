//! What commands say to whoever runs them. Servers log; commands speak here, and only here.

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
};

/// Says a line on standard output. A closed pipe is not an error: nobody is listening any more.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says a line on standard error.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes as it is, for a screen that a command draws.
pub(crate) fn write(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Shows a line that the next one replaces, on a terminal; elsewhere says it.
pub(crate) fn show(line: impl Display) {
    let mut out = std::io::stdout();
    let _ = if out.is_terminal() { write!(out, "\r\x1b[2K{line}") } else { writeln!(out, "{line}") };
    let _ = out.flush();
}

/// Whether standard error takes colours.
pub(crate) fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
