//! When work of which there is one in a node ends.

use tokio::sync::watch;

/// Says when the duties end, or other work of which there is one in a node.
#[derive(Clone, Debug)]
pub(crate) struct Ends(watch::Receiver<bool>);

impl Ends {
    /// They end when this becomes true, or is gone.
    pub(crate) fn when(ending: &watch::Sender<bool>) -> Self {
        Self(ending.subscribe())
    }

    /// Waits until they end.
    pub(crate) async fn wait(&mut self) {
        // The sender is gone: they have ended.
        let _ = self.0.wait_for(|&ends| ends).await;
    }
}
