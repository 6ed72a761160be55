//! Whether manifests are read from stdin.

use std::io::IsTerminal;
use std::path::PathBuf;

/// Beside files that are named. CI runners leave stdin open to nothing: only a pipe or a file is read then, as Gatekeeper's
/// tool does.
pub(super) fn is_read_beside(filenames: &[PathBuf]) -> bool {
    let stdin = std::io::stdin();
    !stdin.is_terminal() && (filenames.is_empty() || has_content(&stdin))
}

#[cfg(unix)]
fn has_content(stdin: &std::io::Stdin) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let file = stdin.as_fd().try_clone_to_owned().map(std::fs::File::from);
    let kind = file.and_then(|file| file.metadata()).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_file())
}

#[cfg(not(unix))]
fn has_content(_: &std::io::Stdin) -> bool {
    true
}
