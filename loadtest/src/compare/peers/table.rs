//! A waiting room in HAProxy: a stick table with all seats taken.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Answers, Crowd, LONG, Peer, STATUS, admitted, fixed::configure, fixed::haproxy_command, folder, page, tasks,
    visitors,
};
use crate::{
    Failed,
    compare::{
        visitor::all_ask,
        work::{Expect, Work},
    },
    kit::{
        process::{Server, free_addr},
        template::program,
    },
};

pub(super) async fn start(origin: SocketAddr, count: usize, answers: &Answers) -> Result<Option<Peer>, Failed> {
    let Some(program) = program("haproxy") else { return Ok(None) };
    let dir = folder()?;
    let addr = free_addr()?;
    let template = include_str!("../../../peers/haproxy-table.cfg");
    let config = configure(template, dir.path(), addr, origin, answers, &[("seats", &count.to_string())])?;
    let server = Arc::new(Server::start(haproxy_command(&program, &config), addr)?);

    let inside = all_ask(addr, &visitors("/", count), &[Expect::new(200, "room=")]).await?;
    let newcomer = Expect::new(503, "room=");
    let waiting = all_ask(addr, &visitors(LONG, count), std::slice::from_ref(&newcomer)).await?;
    let polling = waiting.iter().map(|visitor| visitor.at(STATUS)).collect();
    let crowd = Crowd { to: addr.into(), visitors: inside.clone(), expect: admitted() };
    let works = [
        (Work::Admitted, inside, admitted()),
        (Work::Poll, polling, Expect::new(503, "\"state\":\"waiting\"")),
        (Work::Page, waiting, page()),
        (Work::Newcomers, visitors(LONG, count), newcomer),
    ];
    let name = "HAProxy, stick table";
    Ok(Some(Peer {
        name,
        redis: None,
        tasks: tasks(&server, std::iter::once(addr.into()), works),
        crowd: Some(crowd),
        _dir: Some(dir),
    }))
}
