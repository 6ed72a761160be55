//! What is fetched from elsewhere.

mod oci;
mod providers;

pub(super) use providers::ProviderClient;

pub use oci::{ImageName, ImageNameError, OciError, PulledFile, pull};
