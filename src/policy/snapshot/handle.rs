//! Where the current snapshot is found. The only code that names arc-swap.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Snapshot;

/// Publishes snapshots: one pointer swap, readers never wait.
#[derive(Debug, Default)]
pub struct SnapshotHandle(ArcSwap<Snapshot>);

impl SnapshotHandle {
    /// The snapshot that is current now; it stays as it is however long it is held.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Makes a snapshot the current one.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.0.store(snapshot);
    }
}
