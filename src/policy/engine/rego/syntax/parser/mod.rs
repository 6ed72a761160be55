//! Tokens to a tree, for v0 and v1.
//!
//! Accepts what OPA's parser accepts, with these exceptions, which no policy means: braces that do not match behind
//! `if`, rules named by terms in parentheses or by operators (`1 + 2 = 3`), and digits other than ASCII in names.
//! Nesting is bounded, going back too, so any text is read in time proportional to its length.
//! Statements with mistakes are skipped up to the next line that starts with a word, so that several are found at once.

mod bodies;
mod builtin_names;
mod collections;
mod cursor;
mod heads;
mod imports;
mod infix;
mod rules;
mod terms;
#[cfg(test)]
mod tests;

use crate::model::api::RegoVersion;

use super::ast::{Body, ErrorClass, Module, Package, RegoError, Span};
use super::lexer::{self, Keyword, Lexed, TokenKind};
use cursor::{Parse, Parser};

/// More mistakes than this are not reported at once.
const MAX_ERRORS: usize = 10;

/// The longest module. Places are counted in 32 bits, and the tree takes some 30 times the memory of the text.
const MAX_SOURCE: usize = 16 << 20;

/// Reads a module. The name is the one that errors show.
///
/// # Errors
/// At least one and at most ten, in the order of their places.
pub fn parse_module(name: &str, source: &str, version: RegoVersion) -> Result<Module, Vec<RegoError>> {
    let Lexed { tokens, comments, .. } = read_tokens(name, source)?;
    let mut parser = Parser::new(name, source, version, tokens);
    let mut module = Module {
        name: name.to_owned(),
        version,
        package: Package { path: Vec::new(), span: Span::default() },
        imports: Vec::new(),
        rules: Vec::new(),
        comments,
    };
    let mut errors = Vec::new();
    if let Err(failure) = parser.leading_package(&mut module) {
        errors.push(*failure);
    }
    while !parser.is(TokenKind::End) && errors.len() < MAX_ERRORS {
        let start = parser.position();
        if let Err(failure) = parser.statement(&mut module) {
            errors.push(*failure);
            parser.skip_statement(start);
        }
    }
    if errors.is_empty() && parser.is_strict {
        errors = parser.take_demands();
        errors.truncate(MAX_ERRORS);
    }
    if errors.is_empty() { Ok(module) } else { Err(errors) }
}

/// Whether OPA may have accepted what was refused: what is beyond our bounds, and what no policy means. Calls of
/// something that is no function are refused here, and by OPA's compiler.
pub fn may_be_fine_by_opa(error: &RegoError) -> bool {
    error.class != ErrorClass::Parse
        || cursor::STRICTER.iter().any(|beginning| error.message.starts_with(beginning))
        || error.message.ends_with(&format!("at most {MAX_SOURCE} are read"))
}

/// Reads a query: expressions separated by semicolons or new lines.
///
/// # Errors
/// What is wrong with it; exactly one.
pub fn parse_query(source: &str, version: RegoVersion) -> Result<Body, Vec<RegoError>> {
    const NAME: &str = "query";
    let Lexed { tokens, .. } = read_tokens(NAME, source)?;
    let mut parser = Parser::new(NAME, source, version, tokens);
    parser.query().map_err(|failure| vec![*failure])
}

fn read_tokens(name: &str, source: &str) -> Result<Lexed, Vec<RegoError>> {
    let error = |span: Span, message: String, help: Option<String>| RegoError {
        class: ErrorClass::Parse,
        module: name.to_owned(),
        span,
        message,
        help,
    };
    if source.len() > MAX_SOURCE {
        let message = format!("module has {} bytes, at most {MAX_SOURCE} are read", source.len());
        return Err(vec![error(Span { line: 1, column: 1, start: 0, end: 0 }, message, None)]);
    }
    let lexed = lexer::tokenize(source);
    if lexed.errors.is_empty() {
        return Ok(lexed);
    }
    let errors = lexed.errors.into_iter().take(MAX_ERRORS);
    Err(errors.map(|one| error(one.span, one.message, one.help)).collect())
}

impl Parser<'_> {
    /// The package must come first.
    fn leading_package(&mut self, module: &mut Module) -> Parse<()> {
        if self.is(TokenKind::End) {
            return Err(self.failure(self.token().span, "module is empty", Some("start with `package name`")));
        }
        if !self.starts_with(Keyword::Package) {
            return Err(self.unexpected_with_help("`package` and its path", Some("start with `package name`")));
        }
        let start = self.position();
        match self.package() {
            Ok(package) => module.package = package,
            Err(failure) => {
                self.skip_statement(start);
                return Err(failure);
            }
        }
        Ok(())
    }

    fn statement(&mut self, module: &mut Module) -> Parse<()> {
        if self.starts_with(Keyword::Package) {
            let help = "a module has one package, at its start; split the file";
            return Err(self.failure(self.token().span, "found a second package", Some(help)));
        }
        if !self.starts_with(Keyword::Import) {
            module.rules.extend(self.rule()?);
            return Ok(());
        }
        let word = self.text(self.token_at(self.position() + 1));
        let import = self.import();
        if import.is_err() && matches!(word, "future" | "rego") {
            // What keywords it meant is guessed, so that not every rule below is reported.
            self.add_all_keywords();
        }
        module.imports.push(import?);
        Ok(())
    }

    fn query(&mut self) -> Parse<Body> {
        let mut body = Vec::new();
        loop {
            if body.is_empty() && self.is(TokenKind::End) {
                return Err(self.failure(self.token().span, "query is empty", Some("write an expression")));
            }
            body.push(self.literal()?);
            // OPA asks for no separator here.
            if !self.take(TokenKind::Semicolon) && self.is(TokenKind::End) {
                return Ok(body);
            }
        }
    }
}
