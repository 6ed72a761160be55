//! `--external-data`: what providers said, for commands that evaluate policies and send nothing.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::policy::snapshot::BuildOptions;
use crate::workbench::recorded;

/// Where recorded answers are.
#[derive(Clone, Debug, Args)]
pub(super) struct ExternalDataArguments {
    /// What Providers say, in YAML: by the Provider's name `keys`, and by key `{value: ...}` or `{error: TEXT}`; or, for
    /// all keys, `systemError: TEXT` or `failure: TEXT`. Nothing is sent from here: a key that is not there is an error
    #[arg(long, value_name = "FILE")]
    external_data: Option<PathBuf>,
}

impl ExternalDataArguments {
    /// The options with these answers.
    pub(super) fn apply(&self, options: BuildOptions) -> Result<BuildOptions> {
        let Some(path) = &self.external_data else { return Ok(options) };
        let answers = recorded::read(path).map_err(|problems| {
            for problem in &problems {
                anstream::eprintln!("error: {problem}");
            }
            let plural = if problems.len() == 1 { "problem" } else { "problems" };
            anyhow::anyhow!("{} {plural} in the recorded external data; nothing was judged", problems.len())
        })?;
        // Once in a process, and to its end.
        Ok(BuildOptions { recorded: Some(Box::leak(Box::new(answers))), ..options })
    }
}
