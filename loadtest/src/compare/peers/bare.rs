//! A pingora with nothing in it: a process that forwards, and one for each fixed answer.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Command, sync::Arc};

use super::{Answers, LONG, Peer, STATUS, WORKERS, admitted, page, poll, tasks, visitors};
use crate::{
    Failed,
    compare::{
        door::{Door, Secure},
        work::{Expect, Work},
    },
    kit::process::{Server, sibling},
};

pub(super) fn start(
    origin: SocketAddr,
    count: usize,
    answers: &Answers,
    secure: Option<&Secure>,
) -> Result<Peer, Failed> {
    let dir = super::folder()?;
    let file = |name: &str, answer: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, answer)?;
        Ok::<_, Failed>(path(&file)?.to_owned())
    };
    let newcomer = Expect::new(503, "sluice_slip_long=");
    let processes = [
        (Work::Admitted, "/", admitted(), ["--origin".to_owned(), origin.to_string()]),
        (Work::Poll, STATUS, poll(), ["--answer".to_owned(), file("poll", &answers.poll)?]),
        (Work::Page, LONG, page(), ["--answer".to_owned(), file("page", &answers.page)?]),
        (Work::Newcomers, LONG, newcomer, ["--answer".to_owned(), file("newcomer", &answers.newcomer)?]),
    ];
    let mut all = BTreeMap::new();
    for (work, path, expect, does) in processes {
        let door = Door::new(secure)?;
        let server = server(&door, dir.path(), &does)?;
        all.extend(tasks(&server, door.targets(), [(work, visitors(path, count), expect)]));
    }
    Ok(Peer { name: "bare pingora", redis: None, tasks: all, crowd: None, _dir: Some(dir) })
}

fn server(door: &Door<'_>, dir: &Path, does: &[String]) -> Result<Arc<Server>, Failed> {
    let mut command = Command::new(sibling("sluice-loadtest")?);
    command.args(["bare", "--threads", WORKERS, "--listen", &door.plain.to_string()]).args(does);
    if let Some(tls) = door.write(dir)? {
        command.args(["--listen-tls", &tls.listen.to_string(), "--chain", path(&tls.chain)?, "--key", path(&tls.key)?]);
    }
    let mut server = Server::start(command, door.plain)?;
    if let Some(addr) = door.secure() {
        server.listens(addr)?;
    }
    Ok(Arc::new(server))
}

fn path(file: &Path) -> Result<&str, Failed> {
    file.to_str().ok_or_else(|| "a strange path".into())
}
