//! How much memory objects take as inventory.

use std::path::PathBuf;

use super::BenchError;
use super::setup;
use crate::policy::snapshot::{BuildOptions, Store};

/// What the inventory of the input takes.
#[derive(Clone, Copy, Debug)]
pub struct InventoryMemory {
    /// How many objects it has.
    pub objects: usize,
    /// Heap bytes of all of them; what they share is counted once.
    pub bytes: usize,
    /// Entries of indexes that the policies made of them.
    pub index_entries: usize,
}

/// Reads the files and measures the inventory that their objects make in a cluster, where fields are kept that policies
/// read.
///
/// # Errors
/// When the input cannot be used as a whole.
pub fn inventory(paths: &[PathBuf], options: BuildOptions) -> Result<InventoryMemory, BenchError> {
    let (prepared, _) = setup::prepare(paths, Store::of_fields_that_are_read(), options)?;
    let snapshot = &prepared.snapshot;
    let indexes = snapshot.templates().filter_map(|template| snapshot.indexes(&template.template.kind));
    Ok(InventoryMemory {
        objects: snapshot.inventory().len(),
        bytes: snapshot.inventory().footprint(),
        index_entries: indexes.map(crate::policy::engine::Indexes::len).sum(),
    })
}

impl InventoryMemory {
    /// Rounded up.
    pub fn bytes_per_object(&self) -> usize {
        self.bytes.div_ceil(self.objects.max(1))
    }
}
