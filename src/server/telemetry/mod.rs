//! What operators see: metrics and logs.

pub mod logs;
pub mod metrics;
mod set_aside;
