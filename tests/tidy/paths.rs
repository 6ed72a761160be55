//! The paths that code names: `use` trees unfolded, `super::` and `self::` resolved.
//!
//! `super::` inside an inline module counts from the file, which is one step too far. There are none but tests.

use super::lexer::{Token, tokens};

/// `a::b::c` somewhere in the code.
pub(super) struct CodePath {
    pub segments: Vec<String>,
    pub line: usize,
    pub is_import: bool,
}

/// Every path in the code of a module.
pub(super) fn code_paths(code: &str, module: &[String]) -> Vec<CodePath> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let start = paths.len();
        let is_import = token.text == "use";
        if is_import {
            at = read_tree(&tokens, at + 1, &[], &mut paths);
        } else if token.is_word() {
            at = read_path(&tokens, at, &mut paths);
        } else {
            at += 1;
        }
        for path in paths.iter_mut().skip(start) {
            path.is_import = is_import;
            path.segments = resolve(&path.segments, module);
        }
    }
    paths
}

/// `a::b::c`; returns where it ends.
fn read_path(tokens: &[Token], at: usize, paths: &mut Vec<CodePath>) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut segments = Vec::new();
    let mut position = at;
    while let Some(word) = tokens.get(position).filter(|token| token.is_word()) {
        segments.push(word.text.clone());
        position += 1;
        if tokens.get(position).is_none_or(|token| token.text != "::") {
            break;
        }
        position += 1;
    }
    // A name after a dot is a field or a method, whatever it is called.
    let is_member = at > 0 && tokens.get(at - 1).is_some_and(|token| token.text == ".");
    if !is_member {
        paths.push(CodePath { segments, line, is_import: false });
    }
    position
}

/// `a::{b, c::d as e, f::*}`; returns where it ends.
fn read_tree(tokens: &[Token], at: usize, prefix: &[String], paths: &mut Vec<CodePath>) -> usize {
    let mut segments = prefix.to_vec();
    let mut position = at;
    while let Some(token) = tokens.get(position) {
        match token.text.as_str() {
            "{" => {
                position += 1;
                while tokens.get(position).is_some_and(|token| token.text != "}") {
                    let end = read_tree(tokens, position, &segments, paths);
                    position = if tokens.get(end).is_some_and(|token| token.text == ",") { end + 1 } else { end };
                }
                return position + 1;
            }
            "::" | "*" => position += 1,
            "as" => position += 2,
            _ if token.is_word() => {
                segments.push(token.text.clone());
                position += 1;
            }
            _ => break,
        }
    }
    let line = tokens.get(at).map_or(0, |token| token.line);
    paths.push(CodePath { segments, line, is_import: true });
    position
}

/// `super::x` and `self::x`, seen from a module, as `crate::…::x`.
fn resolve(segments: &[String], module: &[String]) -> Vec<String> {
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let is_self = segments.first().is_some_and(|segment| segment == "self");
    if supers == 0 && !is_self {
        return segments.to_vec();
    }
    let kept = module.len().saturating_sub(supers);
    let rest = segments.iter().skip(supers + usize::from(is_self));
    std::iter::once("crate".to_owned()).chain(module.iter().take(kept).cloned()).chain(rest.cloned()).collect()
}
