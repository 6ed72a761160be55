//! What is fetched from elsewhere.

mod oci;
mod providers;
mod trust;

pub(super) use providers::ProviderClient;
pub(super) use trust::system_trust;

pub use oci::{ImageName, ImageNameError, OciError, PulledFile, pull};
