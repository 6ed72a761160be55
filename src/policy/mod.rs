//! Deciding: pure and synchronous. Snapshot in, review in, evaluation out.
//!
//! Invariants: no I/O, no async runtime, no environment, no metric. The only clock is read in `engine::limits`.

pub mod blame;
pub mod engine;
pub mod evaluate;
pub mod exclusion;
pub mod expansion;
pub mod inventory;
pub mod matching;
pub mod mutation;
pub mod snapshot;

pub use engine::external_data;
