//! What Kubernetes and Gatekeeper say, as plain data: objects, API kinds, reviews.
//!
//! Invariants: no I/O, no async runtime, no clock, no environment. Values are parsed once, at the edge, into types that
//! cannot be wrong; what a user got wrong is returned as [`object::FieldError`]s, all of them at once.

pub mod api;
pub mod go_regex;
pub mod object;
pub mod review;
pub mod value;
