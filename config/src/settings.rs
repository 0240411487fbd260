//! The validated settings: what the rest of Sluice works with.
//!
//! Each type stands in the section that reads it.

mod notes;

use std::sync::Arc;

pub use crate::{
    forms::{host::HostPattern, language::Language, name::Name, networks::Networks, path_pattern::PathPattern},
    sections::{
        node::access_log::{AccessLog, ClientShown, LogField, LogTarget},
        node::acme::{Acme, AcmeDirectory},
        node::admin::{Admin, AdminKey, Issuer, IssuerLogin, IssuerRole, Role},
        node::keys::Keys,
        node::limits::{
            node::NodeLimits,
            tenant::{Limits, PerClient},
        },
        node::server::{Server, Traceparent},
        node::store::{RedisNode, RedisSettings, RedisTopology, Store},
        secret::Secret,
        tenant::Tenant,
        tenant::cookies::{CookieDomain, Cookies, SameSite},
        tenant::cors::Cors,
        tenant::origin::{Balance, Health, Origin, OriginServer, OriginTls, Proof, ServerAddress, usable_addresses},
        tenant::page::{
            Page,
            colors::{Color, Colors},
            look::{Link, Logo, Look},
            texts::{TEXTS, TextId},
        },
        tenant::queue::{
            ClosedAs, Conditions, Lane, Mode, OnStoreLoss, Pattern, Queue, Rule, RuleAction, WaitStatus, When,
        },
        tenant::route::Route,
        tls::{
            node::{NodeTls, TlsVersions},
            pair::{Certificate, Unusable},
            tenant::{ClientCa, Hsts, TenantTls},
        },
        webhook::{Webhook, WebhookEvent, WebhookUrl, is_public},
    },
};

/// Everything in one config directory, valid as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Listeners and node-wide limits.
    pub server: Server,
    /// What is spoken on the `https` listeners.
    pub tls: NodeTls,
    /// Whom certificates are asked of; `None`: no tenant asks for any.
    pub acme: Option<Acme>,
    /// Where the lines live.
    pub store: Store,
    /// Master secrets; `None` when the files name none (`sluice demo` makes one, `sluice run` refuses).
    pub keys: Option<Keys>,
    /// The operators' API and dashboard; `None`: there is none.
    pub admin: Option<Admin>,
    /// What one client may take of this node.
    pub limits: NodeLimits,
    /// One line for each request; `None`: there is none.
    pub access_log: Option<AccessLog>,
    /// Tenants by file name order; host patterns are unique across all of them.
    pub tenants: Vec<Arc<Tenant>>,
}

impl Config {
    /// The hosts whose certificates are asked for by ACME, with their tenants.
    pub fn acme_hosts(&self) -> impl Iterator<Item = (&Tenant, &str)> {
        self.tenants.iter().flat_map(|tenant| tenant.acme_hosts().map(move |host| (&**tenant, host)))
    }
}

impl Tenant {
    /// The hosts of the tenant whose certificates are asked for by ACME.
    pub fn acme_hosts(&self) -> impl Iterator<Item = &str> {
        let asks = self.tls.as_ref().is_some_and(|tls| tls.acme);
        self.hosts.iter().filter(move |_| asks).filter_map(|host| match host {
            HostPattern::Exact(host) => Some(host.as_str()),
            HostPattern::Below(_) => None,
        })
    }
}
