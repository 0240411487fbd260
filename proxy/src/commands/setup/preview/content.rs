//! What there is to see: the pages of every tenant, and what is wrong with the files.

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_config::{Config, Errors, HostPattern, Language, Name};
use sluice_waiting_room::{
    page::{Encoding, Pages, Reader},
    showcase::{EXAMPLES, Example, Scene},
    words,
};

/// The pages of all tenants.
#[derive(Debug)]
pub(super) struct Content {
    /// Rises with each change.
    pub(super) version: u64,
    sites: std::sync::Arc<[Site]>,
    /// What is wrong with the files as they are now. The pages are those of the files before.
    mistakes: Option<String>,
}

#[derive(Debug)]
struct Site {
    tenant: Name,
    /// The first host, for the pages to show.
    host: String,
    language: Language,
    pages: Pages,
    queues: Vec<(Name, Option<String>)>,
}

impl Content {
    pub(super) fn of(config: &Config) -> Self {
        let site = |tenant: &std::sync::Arc<sluice_config::Tenant>| Site {
            tenant: tenant.name.clone(),
            host: match tenant.hosts.first() {
                Some(HostPattern::Exact(host)) => host.clone(),
                Some(HostPattern::Below(suffix)) => format!("www.{suffix}"),
                None => tenant.name.to_string(),
            },
            language: tenant.page.language,
            pages: Pages::new(tenant.page.clone()),
            queues: tenant.queues.iter().map(|queue| (queue.name.clone(), queue.message.clone())).collect(),
        };
        Self { version: 1, sites: config.tenants.iter().map(site).collect(), mistakes: None }
    }

    /// What there is to see after the files have changed.
    pub(super) fn with(&self, read: Result<Config, Errors>) -> Self {
        let version = self.version + 1;
        match read {
            Ok(config) => Self { version, ..Self::of(&config) },
            Err(errors) => Self { version, sites: self.sites.clone(), mistakes: Some(errors.to_string()) },
        }
    }

    /// What the overview is made from.
    pub(super) fn about(&self) -> Value {
        let queues = self.sites.iter().flat_map(|site| {
            let of = |(queue, _): &(Name, Option<String>)| {
                json!({ "tenant": site.tenant.as_str(), "queue": queue.as_str(), "language": site.language.tag() })
            };
            site.queues.iter().map(of)
        });
        let languages = Language::all().map(|language| json!([language.tag(), words::of(language).name]));
        let examples = EXAMPLES.iter().map(|example| json!([example.name, example.title]));
        json!({
            "version": self.version,
            "queues": queues.collect::<Vec<_>>(),
            "languages": languages.collect::<Vec<_>>(),
            "examples": examples.collect::<Vec<_>>(),
            "mistakes": self.mistakes,
        })
    }

    /// A page of a queue; `None`: there is no such queue.
    pub(super) fn page(
        &self,
        tenant: &str,
        queue: &str,
        example: &Example,
        language: Option<Language>,
        now_s: u64,
    ) -> Option<Bytes> {
        let (site, (queue, message)) = self.find(tenant, queue)?;
        let reader = Reader { site: &site.host, language, encoding: Encoding::Identity };
        let scene = Scene { reader, queue, message: message.as_deref(), now_s };
        Some(example.page(&site.pages, &scene))
    }

    /// The message to those who wait; `None`: there is no such queue.
    pub(super) fn message(&self, tenant: &str, queue: &str) -> Option<Option<&str>> {
        self.find(tenant, queue).map(|(_, (_, message))| message.as_deref())
    }

    fn find(&self, tenant: &str, queue: &str) -> Option<(&Site, &(Name, Option<String>))> {
        let site = self.sites.iter().find(|site| site.tenant.as_str() == tenant)?;
        Some((site, site.queues.iter().find(|(name, _)| name.as_str() == queue)?))
    }
}
