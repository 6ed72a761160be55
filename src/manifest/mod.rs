//! Files as text: YAML and JSON with the line and column of every value, read the way `kubectl` reads them.
//!
//! [`read`] turns paths and standard input into [`Document`]s; [`parse`] does it for one [`Source`].
//! Both promise: every error at once, each with its place; one broken document does not hide its neighbours;
//! no input makes them panic, hang or overflow a 2 MB stack.
//!
//! Places are read again from the text when somebody asks for one, and a whole document can wait packed
//! ([`Document::pack`]), so that thousands of them take little more memory than their texts.
//!
//! Changed values go back into their text by [`edit::edit`], which keeps comments and layout.
//!
//! Deliberately absent: what a document means. Whether `kind` is there, or known, is the caller's question.
//!
//! ```text
//! paths ─ discover ─► Source ─ split ─► one document's text ─┬─ json ─┐
//!                                                            └─ yaml ─┴─ tree (values + spans) ─► Document ─ list ─► items
//! ```

mod comments;
mod discover;
mod document;
pub mod edit;
mod error;
mod json;
mod list;
mod origin;
mod packed;
mod parse;
mod read;
mod read_options;
pub mod render;
mod scalar;
mod source;
mod span_tree;
mod spans;
mod split;
mod tree;
mod walk;
mod yaml;
mod yaml_error;
mod yaml_quotes;

pub use comments::{Comment, Subject, comments};
pub use discover::discover;
pub use document::{Document, Located, RepeatedKey};
pub use error::ManifestError;
pub use list::flatten;
pub use origin::Origin;
pub use packed::PackedDocument;
pub use parse::parse;
pub use read::{Unread, read, read_file, read_named, read_text, read_with, unread};
pub use read_options::ReadOptions;
pub use source::{Location, Position, Source, Span};
pub use span_tree::SpanTree;
