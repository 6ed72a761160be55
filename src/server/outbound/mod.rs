//! What is fetched from elsewhere.

mod oci;

pub use oci::{OciError, PulledFile, pull};
