//! A pingora with nothing in it: a process that forwards, and one for each fixed answer.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use super::{Answers, LONG, Peer, STATUS, Task, WORKERS, admitted, page, poll, visitors};
use crate::{
    Failed,
    compare::work::{Expect, Work},
    process::{Server, free_addr, sibling},
};

pub(super) fn start(origin: SocketAddr, count: usize, answers: &Answers) -> Result<Peer, Failed> {
    let dir = super::folder()?;
    let forwards = server(&["--origin", &origin.to_string()])?;
    let repeats = |name: &str, answer: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, answer)?;
        server(&["--answer", path(&file)?])
    };
    let task = |server, path, expect| Task::new(&server, visitors(path, count), expect);
    let tasks = [
        (Work::Admitted, task(forwards, "/", admitted())),
        (Work::Poll, task(repeats("poll", &answers.poll)?, STATUS, poll())),
        (Work::Page, task(repeats("page", &answers.page)?, LONG, page())),
        (Work::Newcomers, task(repeats("newcomer", &answers.newcomer)?, LONG, Expect::new(503, "sluice_slip_long="))),
    ];
    Ok(Peer { name: "bare pingora", redis: None, tasks: tasks.into(), crowd: None, _dir: Some(dir) })
}

fn server(arguments: &[&str]) -> Result<Arc<Server>, Failed> {
    let addr = free_addr()?;
    let mut command = Command::new(sibling("sluice-loadtest")?);
    command.args(["bare", "--threads", WORKERS, "--listen", &addr.to_string()]).args(arguments);
    Ok(Arc::new(Server::start(command, addr)?))
}

fn path(file: &Path) -> Result<&str, Failed> {
    file.to_str().ok_or_else(|| "a strange path".into())
}
