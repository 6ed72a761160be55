//! What a path may be: [`ReadOptions`].

/// How paths become files. The default is what Gatekeeper's `gator` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// A file that is named is read whatever its extension; in directories it is still the extension that counts.
    pub takes_any_extension: bool,
    /// A path that does not exist and has `*`, `?`, `[` or `{` in it is a pattern. `**` stands for any directories. A
    /// pattern for names with a dot takes every file it matches, another one manifests only.
    pub expands_patterns: bool,
    /// Directories are searched without what `.gitignore` files leave out, within a Git repository or not. What is named
    /// is read.
    pub respects_gitignore: bool,
    /// `-` is the input. Else the input comes behind all files, when there is one.
    pub reads_dash: bool,
    /// Files with more bytes are refused unread. Reading takes up to fifteen times the size in memory.
    pub largest: u64,
}

impl ReadOptions {
    /// For people who name what they want to be looked at.
    pub const fn lint() -> Self {
        Self {
            takes_any_extension: true,
            expands_patterns: true,
            respects_gitignore: true,
            reads_dash: true,
            largest: 128 << 20,
        }
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            takes_any_extension: false,
            expands_patterns: false,
            respects_gitignore: false,
            reads_dash: false,
            largest: u64::MAX,
        }
    }
}
