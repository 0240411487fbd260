//! One synthetic visitor: a browser as far as Sluice can tell, with cookies, over a real socket.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;

/// The client that all visitors share: connections are pooled, as in a browser.
pub(super) type Http = Client<HttpConnector, Empty<Bytes>>;

pub(super) fn http() -> Http {
    Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(20)).build_http()
}

/// One synthetic visitor.
pub(super) struct Visitor {
    http: Http,
    front: SocketAddr,
    cookies: BTreeMap<String, String>,
}

/// What a visitor reads of the status document.
#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
    pub(super) poll_after_seconds: u64,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Visitor {
    pub(super) fn new(http: Http, front: SocketAddr) -> Self {
        Self { http, front, cookies: BTreeMap::new() }
    }

    /// Opens a page. True: it is the shop's, not the waiting room's.
    pub(super) async fn open(&mut self, path: &str) -> Result<bool, Failed> {
        let (status, _) = self.get(path, "navigate", "text/html").await?;
        Ok(status == StatusCode::OK)
    }

    /// Asks where it stands, as the page's script does.
    pub(super) async fn ask(&mut self) -> Result<Status, Failed> {
        let path = format!("/.sluice/status?queue={}", super::QUEUE);
        let (_, body) = self.get(&path, "same-origin", "application/json").await?;
        Ok(serde_json::from_slice(&body)?)
    }

    async fn get(&mut self, path: &str, mode: &str, accept: &str) -> Result<(StatusCode, Bytes), Failed> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::get(format!("http://{}{path}", self.front))
            .header("sec-fetch-mode", mode)
            .header(header::ACCEPT, accept)
            .header(header::COOKIE, cookies.join("; "))
            .body(Empty::new())?;
        let response = self.http.request(request).await?;
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or("");
            match pair.split_once('=') {
                Some((name, "")) => drop(self.cookies.remove(name)),
                Some((name, value)) => drop(self.cookies.insert(name.into(), value.into())),
                None => {}
            }
        }
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
