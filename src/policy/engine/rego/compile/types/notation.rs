//! Reads the short notation for types in the table of signatures.
//!
//! Invariant: `read` accepts the whole text or nothing.

use super::{Key, Kind, Type, TypeRef};

pub(in crate::policy::engine::rego::compile) fn read(text: &str) -> Option<TypeRef> {
    let mut reader = Reader { rest: text };
    let found = reader.one()?;
    reader.rest.is_empty().then_some(found)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn one(&mut self) -> Option<TypeRef> {
        let first = self.rest.chars().next()?;
        self.rest = self.rest.get(first.len_utf8()..)?;
        let kind = match first {
            'x' => return Some(Type::any()),
            '_' => Kind::Null,
            'b' => Kind::Boolean,
            'n' => Kind::Number,
            's' => Kind::String,
            '[' => self.array()?,
            '{' => {
                let element = self.one()?;
                self.eat('}').then_some(Kind::Set(element))?
            }
            '(' => self.object()?,
            '<' => self.options()?,
            _ => return None,
        };
        Some(Type::of(kind))
    }

    fn array(&mut self) -> Option<Kind> {
        let (mut items, mut rest) = (Vec::new(), None);
        while !self.eat(']') {
            if self.eat('*') {
                rest = Some(self.one()?);
            } else if !self.eat(',') && !self.eat(';') {
                items.push(self.one()?);
            }
        }
        Some(Kind::Array { items, rest })
    }

    fn object(&mut self) -> Option<Kind> {
        let (mut fields, mut rest) = (Vec::new(), None);
        while !self.eat(')') {
            if self.eat('*') {
                let key = self.one()?;
                let value = if self.eat(':') { self.one()? } else { return None };
                rest = Some((key, value));
            } else if !self.eat(',') {
                let (name, behind) = self.rest.split_once('=')?;
                let key = Key::String(name.to_owned());
                self.rest = behind;
                fields.push((key, self.one()?));
            }
        }
        fields.sort();
        Some(Kind::Object { fields, rest })
    }

    fn options(&mut self) -> Option<Kind> {
        let mut options = Vec::new();
        while !self.eat('>') {
            if !self.eat('|') {
                options.push(self.one()?);
            }
        }
        options.sort();
        Some(Kind::Any(options))
    }

    fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}
