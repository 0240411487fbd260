//! From settings to one connection, within bounded time.

use std::{fmt, future::Future, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisError, ServerErrorKind, TlsCertificates, Value, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use sluice_config::{RedisNode, RedisSettings, RedisTopology, Secret};
use tokio::{task::JoinSet, time::timeout};

use super::fault::address;

/// What a server is that takes no writes, and what to do.
pub(super) const REPLICA: &str =
    "it is a replica and takes no writes; if no failover is under way, the store's `url` must name the primary";

/// Which server a connection is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// This one.
    Server(RedisNode),
    /// Whichever the Sentinels call the primary of this name.
    Primary { master: String, sentinels: Vec<RedisNode> },
}

impl Target {
    /// What a store without a cluster connects to.
    pub(super) fn of(settings: &RedisSettings) -> Option<Self> {
        match &settings.topology {
            RedisTopology::Single => settings.nodes.first().cloned().map(Self::Server),
            RedisTopology::Sentinel { master } => {
                Some(Self::Primary { master: master.clone(), sentinels: settings.nodes.clone() })
            }
            RedisTopology::Cluster => None,
        }
    }
}

/// An open connection, and to whom.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) node: RedisNode,
    pub(super) wire: MultiplexedConnection,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&address(&self.node)).finish()
    }
}

/// Opens connections. What goes wrong is told without the server's own words where these could repeat the password.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    username: Option<String>,
    password: Option<Secret>,
    database: u32,
    tls: bool,
    ca_pem: Option<String>,
    connect_timeout: Duration,
    response_timeout: Duration,
}

/// What a connection says to introduce itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Introduction {
    /// User, password, database.
    Full,
    /// Nothing: Sentinels mostly ask for no password.
    Anonymous,
    /// User and password: Sentinels have no databases.
    Credentials,
}

impl Connector {
    pub(super) fn new(settings: &RedisSettings) -> Self {
        Self {
            username: settings.username.clone(),
            password: settings.password.clone(),
            database: settings.database,
            tls: settings.tls,
            ca_pem: settings.tls_ca_pem.clone(),
            connect_timeout: settings.connect_timeout,
            response_timeout: settings.response_timeout,
        }
    }

    /// Opens a connection. The server's role is looked at if it is doubted, or a Sentinel has named it.
    pub(super) async fn open(&self, target: &Target, doubted: bool) -> Result<Connection, String> {
        match target {
            Target::Server(node) => {
                let connection = self.server(node, Introduction::Full).await.map_err(|e| self.tell(node, &e))?;
                if doubted { self.check_primary(connection).await } else { Ok(connection) }
            }
            Target::Primary { master, sentinels } => {
                let node = self.ask_sentinels(master, sentinels).await?;
                let connection = self.server(&node, Introduction::Full).await.map_err(|e| self.tell(&node, &e))?;
                self.check_primary(connection).await
            }
        }
    }

    async fn server(&self, node: &RedisNode, introduction: Introduction) -> Result<Connection, RedisError> {
        let client = self.client(node, introduction)?;
        // The limits are set around the calls, here and in Link, where nothing escapes them.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let open = client.get_multiplexed_async_connection_with_config(&config);
        let wire = within(self.connect_timeout, "no connection", open).await?;
        Ok(Connection { node: node.clone(), wire })
    }

    fn client(&self, node: &RedisNode, introduction: Introduction) -> Result<Client, RedisError> {
        let RedisNode { host, port } = node.clone();
        let addr = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        // RESP3: with RESP2 the first command after a server's restart fails.
        let mut info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if introduction == Introduction::Full {
            info = info.set_db(i64::from(self.database));
        }
        if introduction != Introduction::Anonymous {
            if let Some(username) = &self.username {
                info = info.set_username(username);
            }
            if let Some(password) = &self.password {
                info = info.set_password(String::from_utf8_lossy(password.expose()));
            }
        }
        let tcp =
            TcpSettings::default().set_nodelay(true).set_user_timeout(self.connect_timeout + self.response_timeout);
        let info = addr.into_connection_info()?.set_redis_settings(info).set_tcp_settings(tcp);
        match &self.ca_pem {
            Some(pem) if self.tls => {
                let root_cert = Some(pem.clone().into_bytes());
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
            }
            _ => Client::open(info),
        }
    }

    /// Asks all Sentinels at once; the first that knows the primary is believed. One that has slept through a
    /// failover may name a server that is none any more, which [`Self::check_primary`] finds.
    async fn ask_sentinels(&self, master: &str, sentinels: &[RedisNode]) -> Result<RedisNode, String> {
        let mut asked = JoinSet::new();
        for node in sentinels {
            let (connector, node, master) = (self.clone(), node.clone(), master.to_owned());
            asked.spawn(async move {
                let answer = connector.ask_sentinel(&node, &master).await;
                answer.map_err(|e| connector.tell(&node, &e))
            });
        }
        let mut why = Vec::new();
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(Some(primary))) => return Ok(primary),
                Ok(Ok(None)) => why.push(format!("no master named {master:?} is watched")),
                Ok(Err(error)) => why.push(error),
                Err(error) => why.push(error.to_string()),
            }
        }
        Err(format!("no Sentinel knows the primary: {}", why.join("; ")))
    }

    async fn ask_sentinel(&self, node: &RedisNode, master: &str) -> Result<Option<RedisNode>, RedisError> {
        let mut wire = match self.server(node, Introduction::Anonymous).await {
            Err(e) if self.password.is_some() && !e.is_io_error() => {
                self.server(node, Introduction::Credentials).await?
            }
            opened => opened?,
        }
        .wire;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(master);
        let answer = ask.query_async::<Option<(String, u16)>>(&mut wire);
        let answer = within(self.response_timeout, "no answer", answer).await?;
        Ok(answer.map(|(host, port)| RedisNode { host, port }))
    }

    async fn check_primary(&self, mut connection: Connection) -> Result<Connection, String> {
        let role = redis::cmd("ROLE");
        let role = role.query_async::<Value>(&mut connection.wire);
        match within(self.response_timeout, "no answer", role).await {
            Ok(Value::Array(role)) if role.first() != Some(&Value::BulkString(b"master".to_vec())) => {
                Err(format!("{}: {REPLICA}", address(&connection.node)))
            }
            // A user who may not ask finds out with the first step: a replica refuses to write.
            Err(e) if e.kind() != ErrorKind::Server(ServerErrorKind::NoPerm) => Err(self.tell(&connection.node, &e)),
            _ => Ok(connection),
        }
    }

    /// Why no connection came about. A server that does not know AUTH repeats what it was sent.
    fn tell(&self, node: &RedisNode, error: &RedisError) -> String {
        let text = match error.kind() {
            ErrorKind::AuthenticationFailed => "the server refused user and password".to_owned(),
            ErrorKind::RESP3NotSupported => "the server is older than Redis 6.2".to_owned(),
            _ => match error.code() {
                Some("NOAUTH") => "the server asks for a password, and none is configured".to_owned(),
                Some("WRONGPASS") => "the server refused user and password".to_owned(),
                _ => error.to_string(),
            },
        };
        let secret = self.password.as_ref().map(|p| String::from_utf8_lossy(p.expose()));
        let repeats = secret.is_some_and(|secret| !secret.is_empty() && text.contains(secret.as_ref()));
        let text = if repeats { "the server did not accept the connection" } else { text.as_str() };
        format!("{}: {text}", address(node))
    }
}

/// Bounds a wait; what it ends with is an error like that of a broken connection.
async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let text = format!("{what} within {} ms", limit.as_millis());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, text).into())
    })
}
