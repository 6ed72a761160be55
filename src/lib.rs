//! admit judges Kubernetes objects with the policies that were written for OPA Gatekeeper: at admission, as a TLS
//! webhook that the API server calls, and on files, in CI.
//!
//! The house has six rooms. A room may import only the rooms named behind it; `tests/tidy.rs` checks that.
//!
//! | room | what it owns | may import |
//! |---|---|---|
//! | [`model`] | what Kubernetes and Gatekeeper say, as plain data that cannot be invalid | – |
//! | [`policy`] | deciding: pure, synchronous, no I/O | `model` |
//! | [`manifest`] | files as text: YAML with spans, discovery, stdin | `model` |
//! | [`workbench`] | tools for policy authors: files → snapshot, suites, reports | `model` `policy` `manifest` |
//! | [`server`] | the long-running process: webhook, cluster, certificates, telemetry | `model` `policy` |
//! | [`cli`] | one file per subcommand: flags → call → print → exit code | everything |
//!
//! There is one pipeline, [`policy::evaluate::validate`], and one way to make a snapshot, [`policy::snapshot::build`].
//! The webhook and the command line differ only in where a review comes from and where the result goes.

pub mod cli;
pub mod manifest;
pub mod model;
pub mod policy;
pub mod server;
pub mod workbench;
