//! How the keys of session tickets change, and how the nodes of a fleet come to have the same.
//!
//! Time is cut into periods. The key of each is random and lies in the shared store, put there by whichever node needed it
//! first, sealed by a key that only nodes with the same master secrets have. So a node that is new, or was away,
//! resumes what others have begun, and nobody who reads the store resumes anything. Without a shared store the keys
//! never leave the process. While the store does not answer, a node goes on with what it has, and makes a key of its own when the
//! next period begins.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::sleep;

use super::tickets::{TICKET_PERIOD, TicketKey, TicketKeys};
use crate::lines::{Lines, wrapping::Wrapping};

/// How often a node looks whether its keys are those of the fleet.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The key of a period opens for two more, and is made one before.
const KEEP: Duration = Duration::from_secs(4 * TICKET_PERIOD.as_secs());
/// What the keys are sealed for, on their way through the store.
pub(crate) const PURPOSE: &str = "tls session ticket keys";

/// Changes the keys for as long as the node lives.
pub(crate) async fn rotate(keys: Arc<TicketKeys>, wrapping: Arc<Wrapping>, lines: Arc<Lines>) {
    let mut sealing = None;
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let period = now.as_secs() / TICKET_PERIOD.as_secs();
        match &*lines {
            Lines::Redis(store, _) => {
                let mut shared = Vec::new();
                // The present one seals. The next is made while there is time; clocks of a fleet differ.
                for period in [period, period + 1, period.saturating_sub(1), period.saturating_sub(2)] {
                    let name = format!("tls-tickets.{period}");
                    let Ok(fresh) = TicketKey::random() else { continue };
                    let Some(wrapped) = wrapping.wrap(&name, &fresh.to_bytes()) else { continue };
                    match store.share(&name, &wrapped, KEEP).await {
                        Ok(wrapped) => {
                            let opened = wrapping.unwrap(&name, &wrapped);
                            shared.push((period, opened.and_then(|opened| TicketKey::from_bytes(&opened.plain))));
                        }
                        Err(error) => {
                            tracing::debug!(%error, "TLS ticket keys not shared");
                            break;
                        }
                    }
                }
                if let Some((_, None)) = shared.first() {
                    tracing::warn!(
                        "the fleet's keys of session tickets were wrapped with a master secret that this node does not \
                         have: its clients resume no session elsewhere"
                    );
                }
                let known: Vec<_> = shared.into_iter().filter_map(|(of, key)| Some((of, key?))).collect();
                if known.first().is_some_and(|(of, _)| *of == period) {
                    sealing = Some(period);
                    keys.learn(known.into_iter().map(|(_, key)| key).collect());
                }
            }
            Lines::Embedded(_) => {}
        }
        // On its own: a new key for each new period but the first, which it has begun with.
        if sealing.replace(period).is_some_and(|before| before != period)
            && let Ok(own) = TicketKey::random()
        {
            keys.learn(vec![own]);
        }
        sleep(LOOK_EVERY).await;
    }
}
