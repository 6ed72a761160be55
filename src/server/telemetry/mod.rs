//! What operators see: metrics, logs and traces.

mod evaluations;
mod expiry;
mod inventory;
pub mod logs;
pub mod metrics;
pub(crate) mod mutation;
pub(super) mod providers;
mod set_aside;
pub(super) mod traces;
