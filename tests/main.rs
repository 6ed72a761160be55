//! The one test binary: linking the crate once is most of what testing costs.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod cli;
mod cluster;
mod divergence;
mod it;
mod tidy;
