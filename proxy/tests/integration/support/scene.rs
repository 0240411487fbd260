//! The scenes that most tests start from: an origin, a node, and a shop whose line does what the test needs.

use super::{Node, Origin, Setup, Tenant, Visitor};

/// A rate that never makes anybody wait.
pub(crate) const FAST: &str = "release_per_minute = 6000\nburst = 1000";

/// An origin and a node in front of it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) origin: Origin,
}

impl Scene {
    /// A shop with one queue of these settings, before all paths.
    pub(crate) async fn shop(settings: &str) -> Self {
        Self::new(|shop| shop.queue("shop", settings)).await
    }

    /// A shop as `furnish` makes it.
    pub(crate) async fn new(furnish: impl FnOnce(Tenant) -> Tenant) -> Self {
        Self::set_up(furnish, |setup| setup).await
    }

    /// A shop as `furnish` makes it, on a node as `prepare` makes it.
    pub(crate) async fn set_up(furnish: impl FnOnce(Tenant) -> Tenant, prepare: impl FnOnce(Setup) -> Setup) -> Self {
        let origin = Origin::start().await;
        let node = prepare(Setup::new(furnish(Tenant::shop(origin.addr())))).start().await;
        Self { node, origin }
    }

    /// A shop with one seat and a visitor on it: everybody else stands in line, for as long as that visitor stays.
    /// No rate is in the way of the next one.
    pub(crate) async fn one_seat() -> (Self, Visitor) {
        Self::one_seat_with("").await
    }

    /// As [`Self::one_seat`], with further settings of the queue.
    pub(crate) async fn one_seat_with(settings: &str) -> (Self, Visitor) {
        let scene = Self::shop(&format!("{FAST}\nmax_active = 1\n{settings}")).await;
        let mut inside = scene.visitor("inside").await;
        inside.walk_in().await;
        (scene, inside)
    }

    /// Gives the running shop another queue, and waits until it is taken.
    pub(crate) async fn change(&self, settings: &str) {
        let shop = Tenant::shop(self.origin.addr()).queue("shop", settings);
        self.node.folder.write_tenant(&shop);
        self.node.reload().await;
    }

    pub(crate) async fn visitor(&self, name: &str) -> Visitor {
        Visitor::new(&self.node, name).await
    }
}
