//! Sends a crowd to the door, shows how it fares, and hears everybody's story.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{interval, timeout},
};

use crate::{
    Failed,
    attack::{
        people::{
            story::Story,
            visitor::{Door, journey},
        },
        plan::Plan,
    },
};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long requests that are under way when everybody goes home may take.
const HOME_WITHIN: Duration = Duration::from_secs(30);

/// Everybody comes and goes as planned; who is not through by then goes home.
pub(crate) async fn come_and_go(plans: Vec<Plan>, door: &Arc<Door>, within: Duration) -> Result<Vec<Story>, Failed> {
    let mut journeys = JoinSet::new();
    for plan in plans {
        journeys.spawn(journey(plan, door.clone()));
    }
    let mut stories = Vec::with_capacity(journeys.len());
    let over = async {
        while let Some(story) = journeys.join_next().await {
            stories.push(story?);
        }
        Ok::<_, Failed>(())
    };
    if let Ok(over) = timeout(within, over).await {
        over?;
    }
    door.close();
    let home = async {
        while let Some(story) = journeys.join_next().await {
            stories.push(story?);
        }
        Ok::<_, Failed>(())
    };
    timeout(HOME_WITHIN, home).await.map_err(|_| "visitors did not go home")??;
    Ok(stories)
}

/// Looks at the crowd all the time: a line on a terminal, and how many connections were open at most.
pub(crate) struct LiveView {
    bar: ProgressBar,
    looking: JoinHandle<()>,
    most_connections: Arc<AtomicUsize>,
}

impl LiveView {
    pub(crate) fn start(door: &Arc<Door>, visitors: Option<u32>) -> Self {
        let bar = match visitors {
            Some(visitors) => ProgressBar::new(visitors.into()),
            None => ProgressBar::no_length(),
        };
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise}  {msg}") {
            bar.set_style(style);
        }
        let most_connections = Arc::new(AtomicUsize::new(0));
        let looking = tokio::spawn(look(door.clone(), bar.clone(), most_connections.clone()));
        Self { bar, looking, most_connections }
    }

    /// Ends it; how many connections were open at most.
    pub(crate) fn end(self) -> usize {
        self.looking.abort();
        self.bar.finish_and_clear();
        self.most_connections.load(Relaxed)
    }
}

async fn look(door: Arc<Door>, bar: ProgressBar, most_connections: Arc<AtomicUsize>) {
    let mut look = interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let open = door.net.open_now();
        most_connections.fetch_max(open, Relaxed);
        let ledger = &door.ledger;
        let [arrived, waiting, entered, left] =
            [&ledger.arrived, &ledger.waiting, &ledger.entered, &ledger.left].map(|count| count.load(Relaxed));
        bar.set_message(format!(
            "{arrived} came, {waiting} in line, {entered} entered, {left} gone; {} requests, {open} connections, {} \
             errors",
            ledger.requests.load(Relaxed),
            ledger.mishap_count()
        ));
    }
}
