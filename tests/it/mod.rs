//! In-process: the webhook over real TLS, snapshots, every suite under `policies/`.

mod blame;
mod bypass;
mod containment;
mod coverage;
mod exclusions;
mod expansion;
pub(crate) mod fake_cluster;
mod fuzz;
mod http_send;
mod images;
mod inventory;
mod joins;
mod library;
mod lint_bad_input;
mod lint_since;
mod matching;
mod namespaces;
mod opa_conformance;
mod own_resources;
mod processes;
mod reading;
mod rego_cases;
mod rendering;
mod snapshots;
mod suites;
mod tls;
mod webhook;
