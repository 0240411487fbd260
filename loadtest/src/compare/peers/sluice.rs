//! Sluice with two queues: one whose visitors are inside, one in which thousands stand.

use std::{net::SocketAddr, process::Command, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Answers, CONNECTIONS_MAX, Crowd, LONG, Peer, Task, WORKERS, admitted, page, poll, visitors};
use crate::{
    Failed,
    compare::{
        visitor::{HOST, Visitor, all_ask},
        work::{Expect, Work},
    },
    drive::Connection,
    process::{Server, sibling},
};

/// How many stand before the visitors who poll.
const AHEAD: usize = 2_000;
const STATUS: &str = "/.sluice/status?queue=long";

pub(in crate::compare) struct Sluice {
    server: Arc<Server>,
    dir: tempfile::TempDir,
}

impl Sluice {
    /// One node, with its lines inside or in a Redis.
    pub(in crate::compare) async fn start(origin: SocketAddr, store: Option<SocketAddr>) -> Result<Self, Failed> {
        let dir = super::folder()?;
        std::fs::create_dir(dir.path().join("tenants"))?;
        let (store, on_loss) = match store {
            Some(store) => (format!("[store]\nurl = \"redis://{store}\"\n\n"), "on_store_loss = \"hold\"\n"),
            None => (String::new(), ""),
        };
        std::fs::write(
            dir.path().join("sluice.toml"),
            format!(
                "[server]\nhttp = [\"127.0.0.1:0\"]\nadmin = false\nthreads = {WORKERS}\nconnections_max = \
                 {CONNECTIONS_MAX}\n\n{store}[keys]\ncurrent = \"compare\"\nsecrets = {{ compare = {{ env = \
                 \"SLUICE_COMPARE_KEY\" }} }}\n"
            ),
        )?;
        std::fs::write(
            dir.path().join("tenants/shop.toml"),
            format!(
                "name = \"shop\"\nhosts = [\"{HOST}\"]\n\n[origin]\nservers = [\"{origin}\"]\n\n[[queue]]\nname = \
                 \"open\"\npaths = [\"/\"]\nrelease_per_minute = 6000\n{on_loss}\n[[queue]]\nname = \"long\"\npaths = \
                 [\"{LONG}\"]\nrelease_per_minute = 1\n{on_loss}"
            ),
        )?;
        let mut command = Command::new(sibling("sluice")?);
        command.arg("run").arg("--config").arg(dir.path());
        // A key for this run only: measuring needs no secret.
        command.env("SLUICE_COMPARE_KEY", BASE64_STANDARD.encode([7; 32])).env("RUST_LOG", "error");
        let server = Arc::new(Server::start_and_listen(command)?);
        // The first one walks in; everybody after stands in line.
        let mut connection = Connection::open(server.addr).await?;
        Visitor::new(LONG).ask(&mut connection, &admitted()).await?;
        Ok(Self { server, dir })
    }

    pub(in crate::compare) fn server(&self) -> &Server {
        &self.server
    }

    /// So many visitors with numbers of their own, behind everybody who has one.
    pub(in crate::compare) async fn join(&self, count: usize) -> Result<Vec<Visitor>, Failed> {
        let steps = [Expect::new(200, "sluice_slip_long="), Expect::new(200, "sluice_ticket_long=")];
        all_ask(self.server.addr, &visitors(STATUS, count), &steps).await
    }

    /// Puts visitors in place for every kind of work.
    pub(in crate::compare) async fn peer(self, name: &'static str, count: usize) -> Result<(Peer, Answers), Failed> {
        let to = self.server.addr;
        let inside = all_ask(to, &visitors("/", count), &[Expect::new(200, "sluice_pass_open=")]).await?;
        // One a minute is called, and does not come.
        let asks = Expect::new(200, "\"queue\":\"long\"");
        let crowd = Crowd { visitors: self.join(AHEAD).await?, expect: asks };
        let waiting = self.join(count).await?;
        let loading: Vec<_> = waiting.iter().map(|visitor| visitor.at(LONG)).collect();
        let newcomer = Expect::new(503, "sluice_slip_long=");
        let mut connection = Connection::open(to).await?;
        let answers = Answers {
            poll: waiting[0].clone().ask(&mut connection, &poll()).await?,
            page: loading[0].clone().ask(&mut connection, &page()).await?,
            newcomer: Visitor::new(LONG).ask(&mut connection, &newcomer).await?,
        };
        let task = |visitors, expect| Task::new(&self.server, visitors, expect);
        let tasks = [
            (Work::Admitted, task(inside, admitted())),
            (Work::Poll, task(waiting, poll())),
            (Work::Page, task(loading, page())),
            (Work::Newcomers, task(visitors(LONG, count), newcomer)),
        ];
        let peer = Peer { name, redis: None, tasks: tasks.into(), crowd: Some(crowd), _dir: Some(self.dir) };
        Ok((peer, answers))
    }
}
