//! nginx and HAProxy as plain proxies: no gate, and the bytes of Sluice's answers as their own.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use super::{
    Answers, CONNECTIONS_MAX, DESCRIPTORS, LONG, Peer, STATUS, WORKERS, admitted, body, folder, page, poll, tasks,
    visitors,
};
use crate::{
    Failed,
    compare::{
        door::{Door, Secure},
        work::Work,
    },
    kit::{
        process::Server,
        template::{fill, nginx_quoted, program},
    },
};

pub(super) fn nginx(
    origin: SocketAddr,
    count: usize,
    answers: &Answers,
    secure: Option<&Secure>,
) -> Result<Option<Peer>, Failed> {
    let Some(program) = program("nginx") else { return Ok(None) };
    let status = nginx_quoted(std::str::from_utf8(body(&answers.poll)?)?)?;
    let dir = folder()?;
    let door = Door::new(secure)?;
    let tls = tls(&door, dir.path(), include_str!("../../../peers/nginx-tls.conf"))?;
    let config = configure(
        include_str!("../../../peers/nginx.conf"),
        dir.path(),
        door.plain,
        origin,
        answers,
        &[("status_text", &status), ("tls", &tls)],
    )?;
    Ok(Some(peer("nginx", nginx_command(&program, dir.path(), &config), door, dir, count)?))
}

pub(super) fn haproxy(
    origin: SocketAddr,
    count: usize,
    answers: &Answers,
    secure: Option<&Secure>,
) -> Result<Option<Peer>, Failed> {
    let Some(program) = program("haproxy") else { return Ok(None) };
    let dir = folder()?;
    let door = Door::new(secure)?;
    let tls = tls(&door, dir.path(), include_str!("../../../peers/haproxy-tls.cfg"))?;
    let template = include_str!("../../../peers/haproxy.cfg");
    let config = configure(template, dir.path(), door.plain, origin, answers, &[("tls", &tls)])?;
    Ok(Some(peer("HAProxy", haproxy_command(&program, &config), door, dir, count)?))
}

fn peer(
    name: &'static str,
    command: Command,
    door: Door<'_>,
    dir: tempfile::TempDir,
    count: usize,
) -> Result<Peer, Failed> {
    let mut server = Server::start(command, door.plain)?;
    if let Some(addr) = door.secure() {
        server.listens(addr)?;
    }
    let works = [
        (Work::Admitted, visitors("/", count), admitted()),
        (Work::Poll, visitors(STATUS, count), poll()),
        (Work::Page, visitors(LONG, count), page()),
        // There is no line to join: a newcomer is anybody who is parked.
        (Work::Newcomers, visitors(LONG, count), page()),
    ];
    let tasks = tasks(&Arc::new(server), door.targets(), works);
    Ok(Peer { name, redis: None, tasks, crowd: None, _dir: Some(dir) })
}

/// What a config says of TLS: nothing, where there is none.
fn tls(door: &Door<'_>, dir: &Path, template: &str) -> Result<String, Failed> {
    let Some(tls) = door.write(dir)? else { return Ok(String::new()) };
    let [chain, key, pair] = [&tls.chain, &tls.key, &tls.pair].map(|file| file.display().to_string());
    fill(template, &[("listen_tls", &tls.listen.to_string()), ("chain", &chain), ("key", &key), ("pair", &pair)])
}

/// Writes a config and the answers it uses; gives the path of the config.
pub(super) fn configure(
    template: &str,
    dir: &Path,
    listen: SocketAddr,
    origin: SocketAddr,
    answers: &Answers,
    words: &[(&str, &str)],
) -> Result<String, Failed> {
    std::fs::write(dir.join("status.json"), body(&answers.poll)?)?;
    std::fs::write(dir.join("page.html"), body(&answers.page)?)?;
    let folder = dir.to_str().ok_or("a strange path")?;
    let (listen, origin, descriptors) = (listen.to_string(), origin.to_string(), DESCRIPTORS.to_string());
    let mut all = vec![
        ("workers", WORKERS),
        ("connections", CONNECTIONS_MAX),
        ("descriptors", &descriptors),
        ("dir", folder),
        ("listen", &listen),
        ("origin", &origin),
    ];
    all.extend_from_slice(words);
    let file = dir.join("server.conf");
    std::fs::write(&file, fill(template, &all)?)?;
    Ok(file.to_str().ok_or("a strange path")?.to_owned())
}

pub(super) fn nginx_command(program: &Path, dir: &Path, config: &str) -> Command {
    let mut command = Command::new(program);
    // Without -e it opens the log of the system's nginx first.
    command.arg("-e").arg("stderr").arg("-p").arg(dir).args(["-c", config]);
    command
}

pub(super) fn haproxy_command(program: &Path, config: &str) -> Command {
    let mut command = Command::new(program);
    // In the foreground, and without what it says when all is well.
    command.args(["-db", "-f", config]);
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::kit::process::free_addr;

    #[test]
    fn every_config_is_filled_in_and_alike() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes();
        let answers = Answers { poll: answer("{}"), page: answer("<html></html>"), newcomer: answer("") };
        let words = [("tls", ""), ("status_text", "{}"), ("modules", "/usr/lib/nginx/modules"), ("seats", "64")];
        let dir = folder().unwrap();
        let (listen, origin) = (free_addr().unwrap(), free_addr().unwrap());
        for template in [
            include_str!("../../../peers/nginx.conf"),
            include_str!("../../../peers/nginx-lua.conf"),
            include_str!("../../../peers/haproxy.cfg"),
            include_str!("../../../peers/haproxy-table.cfg"),
        ] {
            let file = configure(template, dir.path(), listen, origin, &answers, &words).unwrap();
            let config = std::fs::read_to_string(file).unwrap();
            assert!(!config.contains('@'), "{config}");
            // The same for all, or it is no comparison.
            assert!(config.contains(&listen.to_string()) && config.contains(&origin.to_string()), "{config}");
            let nginx = [format!("worker_processes {WORKERS};"), "access_log off;".into(), "keepalive 512;".into()];
            let haproxy = [format!("nbthread {WORKERS}\n"), "http-reuse always".into(), "pool-max-conn 512".into()];
            let wanted = if config.contains("http {") { nginx } else { haproxy };
            assert!(wanted.iter().all(|setting| config.contains(setting)), "{config}");
            assert!(config.contains("75s") && !config.contains("\n    log "), "{config}");
        }
        assert_eq!(std::fs::read(dir.path().join("page.html")).unwrap(), b"<html></html>");
    }
}
