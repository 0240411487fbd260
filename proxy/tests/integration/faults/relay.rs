//! Bad weather on the way from the nodes to the store: delay, and connections that break.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use crate::support::dice::Dice;

/// The share of connections that is reset: at once when they are made, and every second of those there are.
const RESET_SHARE: f64 = 0.3;

/// Forwards connections to a server.
#[derive(Debug)]
pub(super) struct Relay {
    addr: SocketAddr,
    weather: Arc<Weather>,
    accepting: AbortHandle,
}

#[derive(Debug, Default)]
struct Weather {
    /// Each way.
    delay_ms: AtomicU64,
    resets: AtomicBool,
    reset: AtomicU64,
}

impl Relay {
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, weather) = (listener.local_addr().unwrap(), Arc::<Weather>::default());
        let accepting = tokio::spawn(accept(listener, port, weather.clone())).abort_handle();
        Self { addr, weather, accepting }
    }

    pub(super) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Everything takes so much longer, there and back.
    pub(super) fn delay(&self, round_trip: Duration) {
        let ms = u64::try_from(round_trip.as_millis() / 2).unwrap();
        self.weather.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// From now on connections are reset, or no longer.
    pub(super) fn resets(&self, resets: bool) {
        self.weather.resets.store(resets, Ordering::Relaxed);
    }

    /// How many connections were reset.
    pub(super) fn reset_count(&self) -> u64 {
        self.weather.reset.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, weather: Arc<Weather>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let weather = weather.clone();
        connections.spawn(async move {
            tokio::select! {
                // However it ends, both ends are dropped, which resets them.
                _ = relay(client, port, weather.clone()) => {}
                () = doom(&weather, Dice(number)) => {
                    weather.reset.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Ends when this connection's time has come.
async fn doom(weather: &Weather, mut dice: Dice) {
    loop {
        if weather.resets.load(Ordering::Relaxed) && dice.roll() < RESET_SHARE {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn relay(client: TcpStream, port: u16, weather: Arc<Weather>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
        end.set_zero_linger()?;
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        there = carry(from_client, to_server, &weather) => there,
        back = carry(from_server, to_client, &weather) => back,
    }
}

/// Carries bytes one way, each as late as all others.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, weather: &Weather) -> io::Result<()> {
    let (sender, mut on_its_way) = mpsc::channel::<(Instant, Vec<u8>)>(1_000);
    let read = async {
        loop {
            let mut bytes = Vec::with_capacity(64 << 10);
            if from.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            let arrives = Instant::now() + Duration::from_millis(weather.delay_ms.load(Ordering::Relaxed));
            if sender.send((arrives, bytes)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((arrives, bytes)) = on_its_way.recv().await {
            sleep_until(arrives).await;
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::select! { ended = read => ended, ended = write => ended }
}
