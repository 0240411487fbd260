//! A waiting room in nginx and Lua, with two counters in Redis.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Answers, LONG, Peer, STATUS, admitted, fixed::configure, fixed::nginx_command, folder, page, poll, tasks, visitors,
};
use crate::{
    Failed,
    compare::{
        redis,
        visitor::all_ask,
        work::{Expect, Work},
    },
    kit::{
        process::{Server, free_addr},
        template::{fill, lua_modules, program},
    },
};

/// A MAC costs the same with any secret.
const SECRET: &str = "measured, and never used elsewhere";

/// `believe_s`: how long what was read from Redis is used, in seconds; 0: it is read for each request.
pub(super) async fn start(
    name: &'static str,
    believe_s: u32,
    origin: SocketAddr,
    count: usize,
    answers: &Answers,
) -> Result<Option<Peer>, Failed> {
    let (Some(program), Some(modules)) = (program("nginx"), lua_modules()) else { return Ok(None) };
    let modules = modules.to_str().ok_or("a strange path")?;
    let store = redis::start()?;
    // Whoever is measured inside has one of the first numbers.
    redis::set(store.addr, "called", count as u64).await?;
    let dir = folder()?;
    let room = fill(
        include_str!("../../../peers/room.lua"),
        &[("secret", SECRET), ("redis_port", &store.addr.port().to_string()), ("believe_s", &believe_s.to_string())],
    )?;
    std::fs::write(dir.path().join("room.lua"), room)?;
    let addr = free_addr()?;
    let template = include_str!("../../../peers/nginx-lua.conf");
    let config = configure(template, dir.path(), addr, origin, answers, &[("modules", modules)])?;
    let server = Arc::new(Server::start(nginx_command(&program, dir.path(), &config), addr)?);

    let inside = all_ask(addr, &visitors("/", count), &[Expect::new(200, "room=")]).await?;
    let newcomer = Expect::new(503, "room=");
    let waiting = all_ask(addr, &visitors(LONG, count), std::slice::from_ref(&newcomer)).await?;
    let polling = waiting.iter().map(|visitor| visitor.at(STATUS)).collect();
    let works = [
        (Work::Admitted, inside, admitted()),
        (Work::Poll, polling, poll()),
        (Work::Page, waiting, page()),
        (Work::Newcomers, visitors(LONG, count), newcomer),
    ];
    Ok(Some(Peer {
        name,
        redis: Some(store),
        tasks: tasks(&server, std::iter::once(addr.into()), works),
        crowd: None,
        _dir: Some(dir),
    }))
}
