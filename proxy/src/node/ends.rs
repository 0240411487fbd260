//! When work ends that goes on beside the requests.

use tokio::sync::watch;

/// Hears when some work is to end.
#[derive(Clone, Debug)]
pub(crate) struct Ends(watch::Receiver<bool>);

impl Ends {
    /// It ends when this becomes true, or is gone.
    pub(crate) fn when(ending: &watch::Sender<bool>) -> Self {
        Self(ending.subscribe())
    }

    /// Waits until it is to end.
    pub(crate) async fn wait(&mut self) {
        // The sender is gone: it has ended.
        let _ = self.0.wait_for(|&ends| ends).await;
    }
}
