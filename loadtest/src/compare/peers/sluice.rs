//! Sluice with two queues: one whose visitors are inside, one in which thousands stand.

use std::{collections::BTreeMap, net::SocketAddr, process::Command, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Answers, CONNECTIONS_MAX, Crowd, LONG, Peer, Task, WORKERS, admitted, page, poll, tasks, visitors};
use crate::{
    Failed,
    client::{Protocol, Site, Target},
    compare::{
        door::{Door, Secure},
        visitor::{HOST, Visitor, all_ask},
        work::{Expect, Job, Work},
    },
    kit::{
        drive::Connection,
        process::{Server, sibling},
    },
};

/// How many stand before the visitors who poll.
const AHEAD: usize = 2_000;
const STATUS: &str = "/.sluice/status?queue=long";

pub(in crate::compare) struct Sluice<'a> {
    server: Arc<Server>,
    door: Door<'a>,
    dir: tempfile::TempDir,
}

impl<'a> Sluice<'a> {
    /// One node, with its lines inside or in a Redis.
    pub(in crate::compare) async fn start(
        origin: SocketAddr,
        store: Option<SocketAddr>,
        secure: Option<&'a Secure>,
    ) -> Result<Self, Failed> {
        let dir = super::folder()?;
        let door = Door::new(secure)?;
        let (https, tls) = match door.write(dir.path())? {
            Some(tls) => (format!("https = [\"{}\"]\n", tls.listen), Site::TENANT),
            None => (String::new(), ""),
        };
        std::fs::create_dir(dir.path().join("tenants"))?;
        let (store, on_loss) = match store {
            Some(store) => (format!("[store]\nurl = \"redis://{store}\"\n\n"), "on_store_loss = \"hold\"\n"),
            None => (String::new(), ""),
        };
        std::fs::write(
            dir.path().join("sluice.toml"),
            format!(
                "[server]\nhttp = [\"127.0.0.1:0\"]\n{https}admin = false\nthreads = {WORKERS}\nconnections_max = \
                 {CONNECTIONS_MAX}\n\n{store}[keys]\ncurrent = \"compare\"\nsecrets = {{ compare = {{ env = \
                 \"SLUICE_COMPARE_KEY\" }} }}\n"
            ),
        )?;
        std::fs::write(
            dir.path().join("tenants/shop.toml"),
            format!(
                "name = \"shop\"\nhosts = [\"{HOST}\"]\n\n[origin]\nservers = [\"{origin}\"]\n\n{tls}[[queue]]\nname = \
                 \"open\"\npaths = [\"/\"]\nrelease_per_minute = 6000\n{on_loss}\n[[queue]]\nname = \"long\"\npaths = \
                 [\"{LONG}\"]\nrelease_per_minute = 1\n{on_loss}"
            ),
        )?;
        let mut command = Command::new(sibling("sluice")?);
        command.arg("run").arg("--config").arg(dir.path());
        // A key for this run only: measuring needs no secret.
        command.env("SLUICE_COMPARE_KEY", BASE64_STANDARD.encode([7; 32])).env("RUST_LOG", "error");
        let mut server = Server::start_and_listen(command)?;
        if let Some(addr) = door.secure() {
            server.listens(addr)?;
        }
        // The first one walks in; everybody after stands in line.
        let mut connection = Connection::open(server.addr).await?;
        Visitor::new(LONG).ask(&mut connection, &admitted()).await?;
        let door = door.at(server.addr);
        Ok(Self { server: Arc::new(server), door, dir })
    }

    pub(in crate::compare) fn server(&self) -> &Server {
        &self.server
    }

    /// Where visitors come to: over TLS with HTTP/1.1 if there is TLS, or else in the open. Cookies of the one are not
    /// read over the other.
    fn entrance(&self) -> Target {
        self.door.secure_targets().next().unwrap_or_else(|| self.door.plain.into())
    }

    /// A way to it.
    pub(in crate::compare) fn target(&self, protocol: Protocol) -> Option<Target> {
        self.door.targets().find(|to| to.way.protocol() == protocol)
    }

    /// So many visitors with numbers of their own, behind everybody who has one.
    pub(in crate::compare) async fn join(&self, count: usize) -> Result<Vec<Visitor>, Failed> {
        self.join_at(&self.entrance(), count).await
    }

    async fn join_at(&self, to: &Target, count: usize) -> Result<Vec<Visitor>, Failed> {
        let steps = [Expect::new(200, "sluice_slip_long="), Expect::new(200, "sluice_ticket_long=")];
        all_ask(to, &visitors(STATUS, count), &steps).await
    }

    /// Puts visitors in place for every kind of work.
    pub(in crate::compare) async fn peer(self, name: &'static str, count: usize) -> Result<(Peer, Answers), Failed> {
        let crowd = Crowd {
            to: self.entrance(),
            // One a minute is called, and does not come.
            visitors: self.join(AHEAD).await?,
            expect: Expect::new(200, "\"queue\":\"long\""),
        };
        let (mut all, answers) =
            self.work(&self.door.plain.into(), count, std::iter::once(self.door.plain.into())).await?;
        if let Some(to) = self.door.secure_targets().next() {
            let (secure, _) = self.work(&to, count, self.door.secure_targets()).await?;
            all.extend(secure);
        }
        let peer = Peer { name, redis: None, tasks: all, crowd: Some(crowd), _dir: Some(self.dir) };
        Ok((peer, answers))
    }

    /// Visitors in place who come by one way, and may be measured by these; and what they are answered.
    async fn work(
        &self,
        to: &Target,
        count: usize,
        targets: impl Iterator<Item = Target>,
    ) -> Result<(BTreeMap<Job, Task>, Answers), Failed> {
        // The first pass is good for half a minute; once it has come back there is one for a visit.
        let let_in = || Expect::new(200, "sluice_pass_open=");
        let inside = all_ask(to, &visitors("/", count), &[let_in(), let_in()]).await?;
        let waiting = self.join_at(to, count).await?;
        let loading: Vec<_> = waiting.iter().map(|visitor| visitor.at(LONG)).collect();
        let newcomer = Expect::new(503, "sluice_slip_long=");
        let mut connection = Connection::open(to).await?;
        let answers = Answers {
            poll: waiting[0].clone().ask(&mut connection, &poll()).await?,
            page: loading[0].clone().ask(&mut connection, &page()).await?,
            newcomer: Visitor::new(LONG).ask(&mut connection, &newcomer).await?,
        };
        let works = [
            (Work::Admitted, inside, admitted()),
            (Work::Poll, waiting, poll()),
            (Work::Page, loading, page()),
            (Work::Newcomers, visitors(LONG, count), newcomer),
        ];
        Ok((tasks(&self.server, targets, works), answers))
    }
}
