//! What operators see: metrics and logs.

mod evaluations;
mod inventory;
pub mod logs;
pub mod metrics;
mod set_aside;
