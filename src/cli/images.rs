//! Policies out of registries: the flags that Gatekeeper's tools have for it.

use anyhow::Result;
use clap::Args;

use crate::manifest::{self, Document, ManifestError};
use crate::server::{ImageName, pull};

/// What was read, and what was wrong with it.
pub(super) type Documents = (Vec<Document>, Vec<ManifestError>);

/// Which images.
#[derive(Clone, Debug, Args)]
pub(super) struct ImageArguments {
    /// OCI image whose YAML and JSON files are policies: registry.example.com/team/policies:v1. May be given several times; who
    /// has logged in with docker is logged in
    #[arg(short, long, value_name = "IMAGE")]
    image: Vec<ImageName>,
    /// Talk to registries without TLS
    #[arg(long, requires = "image")]
    plain_http: bool,
}

impl ImageArguments {
    /// Pulls them.
    pub(super) fn read(&self) -> Result<Documents> {
        let (mut documents, mut errors) = (Vec::new(), Vec::new());
        for image in &self.image {
            for file in pull(image, self.plain_http)? {
                let (mut found, mut wrong) = manifest::read_named(&file.name, file.bytes);
                documents.append(&mut found);
                errors.append(&mut wrong);
            }
        }
        Ok((documents, errors))
    }
}
