//! The file that a tool made a document from: [`Origin`].

use std::fmt;
use std::sync::Arc;

/// What a document was rendered from. Its lines are those of the rendered text; lines of this file are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file as somebody in the working directory would name it, such as `charts/web/templates/service.yaml`. Not there
    /// to be opened when the chart is an archive, or the overlay takes it from elsewhere.
    pub file: Arc<str>,
    /// The file seen from the chart or the overlay, such as `templates/service.yaml`.
    pub path: Arc<str>,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)
    }
}
