//! Which tenant answers for a host, which gate stands before a path, and what follows from that for one request. Built
//! whole from a config, swapped whole.

pub(crate) mod decision;
pub(crate) mod headers;
pub(crate) mod redirect;
pub(crate) mod rules;

use std::sync::Arc;

use sluice_config::{HostPattern, Tenant};
use sluice_waiting_room::page::Pages;

use self::headers::TenantHeaders;
use crate::{
    gate::{Gate, Guard},
    limits::{FormRoom, Usage},
    request::hosts::{HostMatch, HostTable},
    request::{
        path::{Ambiguous, BadPrefix, NormalPath, PrefixTable},
        via::Fleet,
    },
    transport::tls::Certificates,
    upstream::Origin,
};

/// A tenant with its gates.
#[derive(Debug)]
pub(crate) struct Site<G = Gate> {
    /// The tenant's settings.
    pub(crate) tenant: Arc<Tenant>,
    gates: Vec<Arc<G>>,
    by_path: PrefixTable<Arc<G>>,
    /// The route of a path, counted from 1; where there is none, 0 is the tenant's own origin.
    routes: PrefixTable<usize>,
    /// Where requests go, in that order; nothing where they are only explained.
    origins: Vec<Arc<Origin>>,
    /// The names whose hosts share our cookies.
    cookie_domains: Box<[String]>,
    /// What the tenant wants on every answer.
    pub(crate) headers: TenantHeaders,
    /// What the tenant's visitors see while they wait.
    pub(crate) pages: Arc<Pages>,
    /// For the tenant's forms that are on their way back.
    pub(crate) forms: FormRoom,
    /// What the tenant takes of what all share.
    pub(crate) usage: Arc<Usage>,
}

impl<G: Guard> Site<G> {
    /// The gates must be those of the tenant's queues, and the origins the tenant's own and those of its routes.
    ///
    /// # Errors
    /// If two prefixes mean the same paths, or one means none.
    pub(crate) fn new(tenant: Arc<Tenant>, gates: Vec<Arc<G>>, origins: Vec<Arc<Origin>>) -> Result<Self, BadPrefix> {
        let paths = gates.iter().flat_map(|gate| gate.queue().paths.iter().map(|path| (path.as_str(), gate.clone())));
        let by_path = PrefixTable::new(paths)?;
        let routes = (1..).zip(&tenant.routes);
        let routes = routes.flat_map(|(nth, route)| route.paths.iter().map(move |path| (path.as_str(), nth)));
        let routes = PrefixTable::new(routes)?;
        let (headers, forms) = (TenantHeaders::of(&tenant), FormRoom::default());
        let cookie_domains = tenant.cookie_domains().into();
        let pages = Arc::new(Pages::new(tenant.page.clone()));
        Ok(Self {
            tenant,
            gates,
            by_path,
            routes,
            origins,
            cookie_domains,
            headers,
            pages,
            forms,
            usage: Arc::default(),
        })
    }

    /// The same, counted by what is there already.
    pub(crate) fn counted_by(self, usage: Arc<Usage>) -> Self {
        Self { usage, ..self }
    }

    /// Which of the tenant's cookie domains a host shares in.
    pub(crate) fn shares_cookies(&self, host: &str) -> Option<usize> {
        Tenant::shares_cookies(&self.cookie_domains, host)
    }

    /// The gate before a path, and the prefix that matched.
    ///
    /// # Errors
    /// If origins may read the path so that another queue covers it, or none.
    pub(crate) fn gate(&self, path: &NormalPath<'_>) -> Result<Option<(&str, &Arc<G>)>, Ambiguous> {
        self.by_path.find_agreed(path, Arc::ptr_eq)
    }

    /// The gate of a queue by its name; without a name, of the only queue.
    pub(crate) fn gate_named(&self, name: Option<&str>) -> Option<&Arc<G>> {
        match (name, self.gates.as_slice()) {
            (Some(name), gates) => gates.iter().find(|gate| gate.queue().name.as_str() == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// What the site is called where it has no other name.
    pub(crate) fn first_host(&self) -> &str {
        match self.tenant.hosts.first() {
            Some(HostPattern::Exact(host) | HostPattern::Below(host)) => host,
            None => "",
        }
    }

    /// All gates.
    pub(crate) fn gates(&self) -> &[Arc<G>] {
        &self.gates
    }

    /// The route of a path by its number, and the prefix that matched. 0: none, so the tenant's own origin.
    ///
    /// # Errors
    /// If origins may read the path so that it has another route.
    pub(crate) fn route(&self, path: &NormalPath<'_>) -> Result<(usize, &str), Ambiguous> {
        let found = self.routes.find_agreed(path, usize::eq)?;
        Ok(found.map_or((0, ""), |(prefix, nth)| (*nth, prefix)))
    }

    /// Where requests of a route go.
    pub(crate) fn origin(&self, route: usize) -> Option<&Arc<Origin>> {
        self.origins.get(route)
    }

    /// All places where requests go.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Arc<Origin>> {
        self.origins.iter()
    }
}

/// All sites by host, and what each presents.
#[derive(Debug)]
pub(crate) struct Routes<G = Gate> {
    by_host: HostTable<Arc<Site<G>>>,
    sites: Vec<Arc<Site<G>>>,
    certificates: Certificates,
    fleet: Fleet,
    health_path: Option<Box<str>>,
}

impl<G> Default for Routes<G> {
    fn default() -> Self {
        Self {
            by_host: HostTable::default(),
            sites: Vec::new(),
            certificates: Certificates::default(),
            fleet: Fleet::default(),
            health_path: None,
        }
    }
}

impl<G> Routes<G> {
    pub(crate) fn new(sites: Vec<Arc<Site<G>>>, certificates: Certificates) -> Self {
        let hosts = sites.iter().flat_map(|site| site.tenant.hosts.iter().map(move |host| (host, site.clone())));
        Self { by_host: HostTable::new(hosts), sites, certificates, fleet: Fleet::default(), health_path: None }
    }

    /// The same as nodes of this fleet serve them.
    pub(crate) fn in_fleet(self, fleet: Fleet) -> Self {
        Self { fleet, ..self }
    }

    /// The same with a path for health checks.
    pub(crate) fn with_health_path(self, path: Option<&str>) -> Self {
        Self { health_path: path.map(Into::into), ..self }
    }

    /// Whether a path is the one for health checks.
    pub(crate) fn is_for_health(&self, path: &[u8]) -> bool {
        self.health_path.as_ref().is_some_and(|health| health.as_bytes() == path)
    }

    /// The name of the fleet.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The site of a host (lower case, no port), and how it was found.
    pub(crate) fn find<'h>(&self, host: &'h str) -> Option<(HostMatch<'h>, &Arc<Site<G>>)> {
        self.by_host.find(host)
    }

    /// All sites.
    pub(crate) fn sites(&self) -> &[Arc<Site<G>>] {
        &self.sites
    }

    /// The certificate for hosts that no other covers, if there is one.
    pub(crate) fn default_certificate(&self) -> Option<&sluice_config::Certificate> {
        self.certificates.default_certificate()
    }

    /// What clients are presented with.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }
}
