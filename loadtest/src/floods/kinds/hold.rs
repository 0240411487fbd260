//! Many connections that stand and take up room until the server lets go of them.
//!
//! A client that listens hears of the end of its streams, or of the connection. Who reads nothing does not: that these are
//! gone is seen by the descriptors that the server has open.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, interval, timeout},
};

use crate::{
    Failed,
    client::{Io, Target},
    floods::{kinds::pour::Became, raw::Raw, scene::Clients},
};

/// Connections that are opened at a time.
const OPENING: usize = 32;
/// Who is not let in within this is refused.
const OPENS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Descriptors that others may have opened meanwhile: bystanders, and connections to the origin that are kept. Where
/// few connections stand it is a quarter of these.
const DESCRIPTORS_OF_OTHERS: usize = 48;

/// What is held.
pub(in crate::floods) trait Held: Send + 'static {
    /// Whether the server has ended all that was asked for; `None`: it cannot be heard.
    fn is_over(&self) -> Option<bool> {
        None
    }
}

impl Held for Io {}

impl Held for Raw {
    fn is_over(&self) -> Option<bool> {
        self.listens().then(|| self.has_ended() || self.resets() >= self.asked())
    }
}

pub(in crate::floods) type Opening<T> = Pin<Box<dyn Future<Output = Result<T, Failed>> + Send>>;

/// So many connections that are opened in this way, and kept until the server has closed them, or for so long.
pub(in crate::floods) async fn hold<T: Held>(
    clients: Clients,
    count: usize,
    open: fn(Target) -> Opening<T>,
    at_most: Duration,
) -> Result<Became, Failed> {
    let before = clients.server.descriptors();
    let mut opening = JoinSet::new();
    for _ in 0..OPENING {
        let to = clients.flooded.clone();
        opening.spawn(async move {
            let (mut held, mut refused) = (Vec::new(), 0);
            for _ in 0..count / OPENING {
                match timeout(OPENS_WITHIN, open(to.clone())).await {
                    Ok(Ok(connection)) => held.push(connection),
                    Ok(Err(_)) | Err(_) => refused += 1,
                }
            }
            (held, refused)
        });
    }
    let mut became = Became::default();
    let mut held = Vec::with_capacity(count);
    while let Some(opened) = opening.join_next().await {
        let (some, refused) = opened?;
        became.connections += some.len() as u64;
        became.refused += refused;
        held.extend(some);
    }
    if held.is_empty() {
        return Err("no connection could be made".into());
    }
    let stand = Instant::now();
    let mut look = interval(LOOK_EVERY);
    while stand.elapsed() < at_most {
        look.tick().await;
        let over = held.iter().map(Held::is_over).collect::<Option<Vec<_>>>();
        let is_cut = match over {
            Some(over) => over.iter().all(|&over| over),
            None => clients.server.descriptors() <= before + (count / 4).min(DESCRIPTORS_OF_OTHERS),
        };
        if is_cut {
            became.cut_after_s = Some(stand.elapsed().as_secs_f64());
            break;
        }
    }
    let heard_of = |over| held.iter().filter(|held| held.is_over() == Some(over)).count() as u64;
    let (over, standing) = (heard_of(true), heard_of(false));
    if over + standing > 0 {
        became.ended = [("cut", over), ("left open", standing)].map(|(end, count)| (end.to_owned(), count)).into();
        became.ended.retain(|_, count| *count > 0);
        return Ok(became);
    }
    let end = if became.cut_after_s.is_some() { "cut" } else { "left open" };
    became.ended.insert(end.to_owned(), became.connections);
    Ok(became)
}
