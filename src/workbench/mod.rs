//! Tools for policy authors over the core: files to a snapshot, objects to results, results to reports.

pub mod bench;
pub mod bundle;
mod cores;
pub mod diagnostic;
pub mod diff;
pub mod expand;
pub mod file_feed;
pub mod judge;
pub mod library;
pub mod lint;
pub mod mutate;
pub mod recorded;
pub mod rego;
pub mod report;
pub mod requests;
pub mod suite;
mod text;
pub mod text_diff;
pub mod why;
