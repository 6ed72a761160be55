//! In-process: the webhook over real TLS, snapshots, every suite under `policies/`.

mod containment;
mod exclusions;
mod fuzz;
mod http_send;
mod inventory;
mod joins;
mod opa_conformance;
mod own_resources;
mod rego_cases;
mod snapshots;
mod suites;
mod tls;
mod webhook;
