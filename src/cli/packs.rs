//! Policies that come with admit: the flag that judges by them.

use clap::Args;

use crate::manifest::Document;
use crate::workbench::library::{self, Choice};

/// Which packs.
#[derive(Clone, Debug, Args)]
pub(super) struct PackArguments {
    /// Pack of policies that comes with admit: see `admit policy list`. It warns; NAME:deny denies, NAME:dryrun only reports.
    /// May be given several times
    #[arg(long, value_name = "NAME[:ACTION]")]
    pack: Vec<Choice>,
}

impl PackArguments {
    /// Their templates and constraints.
    pub(super) fn documents(&self) -> Vec<Document> {
        library::documents(&self.pack)
    }
}
