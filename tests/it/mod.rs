//! In-process: the webhook over real TLS, snapshots, every suite under `policies/`.

mod containment;
mod coverage;
mod exclusions;
mod fake_cluster;
mod fuzz;
mod http_send;
mod inventory;
mod joins;
mod matching;
mod namespaces;
mod opa_conformance;
mod own_resources;
mod processes;
mod rego_cases;
mod snapshots;
mod suites;
mod tls;
mod webhook;
