//! A waiting room in HAProxy: a stick table with all seats taken.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Answers, Crowd, LONG, Peer, STATUS, Task, admitted, fixed::configure, fixed::haproxy_command, folder, page,
    visitors,
};
use crate::{
    Failed,
    compare::{
        template::program,
        visitor::all_ask,
        work::{Expect, Work},
    },
    process::{Server, free_addr},
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
    let crowd = Crowd { visitors: inside.clone(), expect: admitted() };
    let task = |visitors, expect| Task::new(&server, visitors, expect);
    let tasks = [
        (Work::Admitted, task(inside, admitted())),
        (Work::Poll, task(polling, Expect::new(503, "\"state\":\"waiting\""))),
        (Work::Page, task(waiting, page())),
        (Work::Newcomers, task(visitors(LONG, count), newcomer)),
    ];
    let name = "HAProxy, stick table";
    Ok(Some(Peer { name, redis: None, tasks: tasks.into(), crowd: Some(crowd), _dir: Some(dir) }))
}
