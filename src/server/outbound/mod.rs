//! What is fetched from elsewhere.

mod oci;
mod trust;

pub(super) use trust::system_trust;

pub use oci::{OciError, PulledFile, pull};
