//! `package` and `import`.

use crate::model::api::RegoVersion;
use crate::policy::engine::rego::syntax::ast::{Import, Package, Span, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::{Keyword, TokenKind};

use super::cursor::{Parse, Parser};

impl Parser<'_> {
    /// Whether a statement starts with this keyword; `import.x` is a reference.
    pub(super) fn starts_with(&self, keyword: Keyword) -> bool {
        self.is_keyword(keyword) && !self.is_keyword_reference()
    }

    pub(super) fn package(&mut self) -> Parse<Package> {
        let start = self.token().span;
        self.advance();
        let path = self.path("the path of the package, such as `kubernetes.policy`")?;
        let path = path.into_iter().map(|(name, _)| name).collect();
        Ok(Package { path, span: self.span_from(start) })
    }

    /// Also makes the keywords that it imports keywords from here on.
    pub(super) fn import(&mut self) -> Parse<Import> {
        let start = self.token().span;
        self.advance();
        let steps = self.path("what to import, such as `data.lib.name`")?;
        let path_span = steps.first().map_or(start, |(_, span)| self.span_from(*span));
        // OPA looks at the token behind an import before it knows of the keywords that the import brings, and without
        // those that others brought.
        if matches!(self.token().kind, TokenKind::Keyword(keyword) if keyword.is_future()) {
            self.take_as_word();
        }
        let path: Vec<String> = steps.into_iter().map(|(name, _)| name).collect();
        let root = path.first().map_or("", String::as_str);
        if !matches!(root, "data" | "input" | "future" | "rego") {
            let message = format!("found import of `{root}`, expected one of `data`, `input`, `future`, `rego`");
            let help = format!("other packages are below `data`: `import data.{}`", path.join("."));
            return Err(self.failure(path_span, &message, Some(&help)));
        }
        let alias = self.alias()?;
        if alias.is_none() {
            self.check_last_step(&path, path_span)?;
        }
        match root {
            "future" => self.import_keywords(&path, alias.as_deref(), path_span)?,
            "rego" => self.import_rego(&path, alias.as_deref(), path_span)?,
            _ => {}
        }
        Ok(Import { path, alias, span: self.span_from(start) })
    }

    fn alias(&mut self) -> Parse<Option<String>> {
        if !self.take(TokenKind::Keyword(Keyword::As)) {
            return Ok(None);
        }
        if !self.is(TokenKind::Word) {
            return Err(self.unexpected("a name for the import"));
        }
        let alias = self.term()?;
        match alias.kind {
            TermKind::Variable(name) => Ok(Some(name)),
            _ => Err(self.failure(alias.span, "the name of an import must be a single word", None)),
        }
    }

    /// Names with their places: the first word may be a keyword, too.
    fn path(&mut self, expected: &str) -> Parse<Vec<(String, Span)>> {
        if !matches!(self.kind(), TokenKind::Word | TokenKind::Keyword(_)) {
            return Err(self.unexpected(expected));
        }
        self.take_as_word();
        let term = self.term()?;
        let span = term.span;
        let (head, steps) = match term.kind {
            TermKind::Variable(name) => return Ok(vec![(name, span)]),
            TermKind::Reference { head, path } => (*head, path),
            _ => return Err(self.failure(span, &format!("expected {expected}"), None)),
        };
        let mut path = Vec::new();
        for step in std::iter::once(head).chain(steps) {
            path.push(self.path_step(step, path.is_empty())?);
        }
        Ok(path)
    }

    fn path_step(&self, step: Term, is_first: bool) -> Parse<(String, Span)> {
        match step.kind {
            TermKind::Variable(name) if is_first => Ok((name, step.span)),
            TermKind::String(name) if !is_first => Ok((name, step.span)),
            _ => Err(self.failure(step.span, "expected a constant name in the path", None)),
        }
    }

    /// Without an alias, the last step is the name to use it by.
    fn check_last_step(&self, path: &[String], span: Span) -> Parse<()> {
        let last = match path {
            [root, .., _] if root == "future" => return Ok(()),
            [.., last] => last,
            [] => return Ok(()),
        };
        match Keyword::parse(last) {
            Some(keyword) if self.version == RegoVersion::V1 || !keyword.is_future() => {
                let message = format!("import must not end with keyword `{last}`");
                Err(self.failure(span, &message, Some("give it another name: `import … as …`")))
            }
            _ => Ok(()),
        }
    }

    /// `import future.keywords`, `import future.keywords.in`
    fn import_keywords(&mut self, path: &[String], alias: Option<&str>, span: Span) -> Parse<()> {
        let mistake = |message: &str, help: &str| Err(self.failure(span, message, Some(help)));
        if path.get(1).map(String::as_str) != Some("keywords") {
            return mistake("unknown import", "write `import future.keywords` or `import future.keywords.in`");
        }
        if alias.is_some() {
            return mistake("imported keywords cannot have another name", "remove `as …`");
        }
        match path {
            [_, _, word] => match Keyword::parse(word).filter(|keyword| keyword.is_future()) {
                Some(keyword) => self.add_keyword(keyword),
                None => {
                    let message = format!("unknown keyword `{word}`");
                    return mistake(&message, "those to import are `contains`, `every`, `if`, `in`");
                }
            },
            _ => self.add_all_keywords(),
        }
        Ok(())
    }

    /// `import rego.v1`
    fn import_rego(&mut self, path: &[String], alias: Option<&str>, span: Span) -> Parse<()> {
        if path.len() != 2 || path.get(1).map(String::as_str) != Some("v1") {
            return Err(self.failure(span, "unknown import", Some("write `import rego.v1`")));
        }
        if self.version == RegoVersion::V1 {
            return Ok(());
        }
        if alias.is_some() {
            return Err(self.failure(span, "`rego.v1` cannot have another name", Some("remove `as …`")));
        }
        self.is_strict = true;
        self.add_all_keywords();
        Ok(())
    }
}
