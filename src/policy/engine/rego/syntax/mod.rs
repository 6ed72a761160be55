//! Rego as text: lexer, parser, canonical printer, formatter, and errors as people see them.

pub mod ast;
pub mod format;
pub(crate) mod lexer;
pub(crate) mod literals;
pub mod parser;
pub mod print;
pub mod render;
