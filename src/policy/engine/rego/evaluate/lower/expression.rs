//! Expressions as steps.

use crate::policy::engine::rego::builtins::Builtin;
use crate::policy::engine::rego::evaluate::error::PlanError;
use crate::policy::engine::rego::evaluate::plan::{
    Arithmetic, Change, Collection, Comparison, Comprehension, Operand, Pattern, Replacement, Step, Target, WithStep,
};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, FunctionName, Term, TermKind, Variable, With};
use crate::policy::engine::rego::value::Value;

use super::clause::Frame;
use super::pattern::is_root;
use super::{document, dotted, scalar, scope, unsafe_variable};

impl Frame<'_, '_> {
    pub(super) fn body(&mut self, body: &Body, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        body.iter().try_for_each(|expression| self.expression(expression, steps))
    }

    fn expression(&mut self, expression: &Expr, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        if self.lowering.watch.sources.is_some() {
            self.traced(expression, steps)
        } else {
            self.plain(expression, steps)
        }
    }

    pub(super) fn plain(&mut self, expression: &Expr, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        if expression.with.is_empty() {
            return self.signed(expression, steps);
        }
        let changes = self.changes(&expression.with, steps)?;
        let mut body = Vec::new();
        self.signed(expression, &mut body)?;
        steps.push(Step::With(Box::new(WithStep { changes, body: body.into_boxed_slice() })));
        Ok(())
    }

    fn signed(&mut self, expression: &Expr, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        if !expression.is_negated {
            return self.positive(expression, steps);
        }
        let before = self.scope.bound();
        let mut body = Vec::new();
        self.positive(expression, &mut body)?;
        self.scope.restore(&before);
        steps.push(Step::Not(body.into_boxed_slice()));
        Ok(())
    }

    fn positive(&mut self, expression: &Expr, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        match &expression.kind {
            ExprKind::Term(term) => self.compute(term, Target::Truthy, steps),
            ExprKind::Unify(one, other) => self.unify(one, other, steps),
            ExprKind::Every { key, value, domain, body } => self.every(key.as_ref(), value, domain, body, steps),
            ExprKind::Assign(..) | ExprKind::Some(_) | ExprKind::SomeIn { .. } => Err(PlanError {
                line: expression.span.line,
                message: "the compile passes left `:=` or `some` in place".to_owned(),
            }),
        }
    }

    /// Either side may be the one that computes, the other one says what becomes of the result.
    fn unify(&mut self, one: &Term, other: &Term, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        // Of two that are computed the left one comes first, as in OPA: what fails in it must not depend on the right one.
        if is_computed(other) && !is_computed(one) {
            return self.compute_into(other, one, steps);
        }
        if is_computed(one) {
            return self.compute_into(one, other, steps);
        }
        match (&one.kind, &other.kind) {
            (TermKind::Array(items), TermKind::Array(others))
                if !self.is_ground(one) && !self.is_ground(other) && items.len() == others.len() =>
            {
                items.iter().zip(others).try_for_each(|(item, other)| self.unify(item, other, steps))
            }
            (TermKind::Object(entries), TermKind::Object(others))
                if !self.is_ground(one) && !self.is_ground(other) && entries.len() == others.len() =>
            {
                self.unify_objects(entries, others, steps)
            }
            _ if self.is_ground(other) => self.match_against(other, one, steps),
            _ if self.is_ground(one) => self.match_against(one, other, steps),
            (TermKind::Array(_), TermKind::Array(_)) | (TermKind::Object(_), TermKind::Object(_)) => {
                steps.push(Step::Fail);
                Ok(())
            }
            (TermKind::Variable(name), _) => Err(unsafe_variable(name, one.span)),
            _ => Err(unsafe_variable("_", one.span)),
        }
    }

    fn unify_objects(
        &mut self,
        entries: &[(Term, Term)],
        others: &[(Term, Term)],
        steps: &mut Vec<Step>,
    ) -> Result<(), PlanError> {
        for (key, value) in entries {
            let constant = scalar(key);
            let same = others.iter().find(|(other, _)| constant.is_some() && scalar(other) == constant);
            match same {
                Some((_, other)) => self.unify(value, other, steps)?,
                None => steps.push(Step::Fail),
            }
        }
        Ok(())
    }

    fn compute_into(&mut self, computed: &Term, other: &Term, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        if is_computed(other) {
            let slot = self.scope.temporary();
            self.compute(computed, Target::Bind(slot), steps)?;
            return self.compute(other, Target::Equal(Operand::Slot(slot)), steps);
        }
        // What the computed side reads must not count the other side's variables as bound.
        if self.binds_inside(computed) {
            let slot = self.scope.temporary();
            self.compute(computed, Target::Bind(slot), steps)?;
            let target = self.target(other, steps)?;
            steps.push(Step::Match { value: Operand::Slot(slot), target });
            return Ok(());
        }
        let target = self.target(other, steps)?;
        self.compute(computed, target, steps)
    }

    /// The reference has steps that bind variables.
    fn binds_inside(&mut self, term: &Term) -> bool {
        match &term.kind {
            TermKind::Reference { path, .. } => !path.iter().all(|step| self.is_ground(step)),
            _ => false,
        }
    }

    fn match_against(&mut self, ground: &Term, pattern: &Term, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let template = self.template(ground, steps)?;
        let target = self.target(pattern, steps)?;
        steps.push(match template {
            crate::policy::engine::rego::evaluate::plan::Template::Operand(value) => Step::Match { value, target },
            template => Step::Build { template, target },
        });
        Ok(())
    }

    /// Steps for any term, its result going to `target`.
    pub(super) fn compute(&mut self, term: &Term, target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        match &term.kind {
            TermKind::Call { function, arguments, .. } => self.call(function, arguments, target, steps),
            TermKind::Reference { head, path } => self.reference(head, path, target, steps),
            TermKind::Variable(name) if is_root(name) => self.reference(term, &[], target, steps),
            TermKind::ArrayComprehension { head, body } => {
                self.comprehension(Collection::Array, None, head, body, target, steps)
            }
            TermKind::SetComprehension { head, body } => {
                self.comprehension(Collection::Set, None, head, body, target, steps)
            }
            TermKind::ObjectComprehension { key, value, body } => {
                self.comprehension(Collection::Object, Some(key), value, body, target, steps)
            }
            _ => {
                let value = self.operand(term, steps)?;
                steps.push(Step::Match { value, target });
                Ok(())
            }
        }
    }

    fn comprehension(
        &mut self,
        collection: Collection,
        key: Option<&Term>,
        value: &Term,
        body: &Body,
        target: Target,
        steps: &mut Vec<Step>,
    ) -> Result<(), PlanError> {
        let line = key.unwrap_or(value).span.line;
        let before = self.scope.bound();
        let mut inner = Vec::new();
        let is_array = collection == Collection::Array;
        let is_counted = std::mem::replace(&mut self.is_counted, is_array);
        self.body(body, &mut inner)?;
        self.is_counted = is_counted;
        let key = key.map(|key| self.template(key, &mut inner)).transpose()?;
        let value = self.template(value, &mut inner)?;
        self.scope.restore(&before);
        let place = self.lowering.place(self.group, self.position, line);
        let body = inner.into_boxed_slice();
        steps.push(Step::Comprehension(Box::new(Comprehension { collection, key, value, body, place, target })));
        Ok(())
    }

    fn every(
        &mut self,
        key: Option<&Variable>,
        value: &Variable,
        domain: &Term,
        body: &Body,
        steps: &mut Vec<Step>,
    ) -> Result<(), PlanError> {
        let domain = self.operand(domain, steps)?;
        let before = self.scope.bound();
        let mut declare = |variable: &Variable| {
            let slot = self.scope.slot(&variable.name);
            self.scope.bind(slot);
            if self.scope.is_unread(&variable.name) { Pattern::Any } else { Pattern::Bind(slot) }
        };
        let key = key.map_or(Pattern::Any, &mut declare);
        let value = declare(value);
        let mut inner = Vec::new();
        self.body(body, &mut inner)?;
        self.scope.restore(&before);
        steps.push(Step::Every { domain, key, value, body: inner.into_boxed_slice() });
        Ok(())
    }

    fn changes(&mut self, withs: &[With], steps: &mut Vec<Step>) -> Result<Box<[Change]>, PlanError> {
        withs.iter().map(|with| self.change(with, steps)).collect()
    }

    fn change(&mut self, with: &With, steps: &mut Vec<Step>) -> Result<Change, PlanError> {
        let (root, path) = match &with.target.kind {
            TermKind::Reference { head, path } => match &head.kind {
                TermKind::Variable(root) => (root.as_str(), path.as_slice()),
                _ => ("", path.as_slice()),
            },
            TermKind::Variable(root) => (root.as_str(), &[][..]),
            _ => ("", &[][..]),
        };
        let path: Option<Box<[Value]>> = path.iter().map(scalar).collect();
        let malformed =
            || PlanError { line: with.span.line, message: "`with` needs a ground path or a function".to_owned() };
        let function = scope::function_target(&with.target);
        let is_function = function.as_ref().is_some_and(|name| self.is_function(name));
        if is_function {
            let name = function.as_deref().unwrap_or_default();
            let mock = self.lowering.mocks.get(name).copied().ok_or_else(malformed)?;
            return Ok(Change::Function { mock, replacement: self.replacement(&with.value, steps)? });
        }
        let path = path.ok_or_else(malformed)?;
        let value = self.operand(&with.value, steps)?;
        match root {
            "input" => Ok(Change::Input { path, value }),
            "data" => {
                let groups = document::groups_below(&self.lowering.plan, &path);
                Ok(Change::Data { path, value, groups })
            }
            _ => Err(malformed()),
        }
    }

    fn replacement(&mut self, value: &Term, steps: &mut Vec<Step>) -> Result<Replacement, PlanError> {
        if let Some(name) = scope::function_target(value).filter(|name| !self.is_variable(name)) {
            if let Some(group) = self.function_group(&name) {
                return Ok(Replacement::Group(group));
            }
            if let Some(builtin) = self.lowering.builtin(&name) {
                return Ok(Replacement::Builtin(builtin));
            }
        }
        Ok(Replacement::Value(self.operand(value, steps)?))
    }

    fn is_variable(&mut self, name: &str) -> bool {
        self.scope.is_bound(name)
    }

    fn is_function(&self, name: &str) -> bool {
        self.function_group(name).is_some() || self.lowering.builtin(name).is_some()
    }

    fn function_group(&self, name: &str) -> Option<u32> {
        let path: Vec<String> = name.strip_prefix("data.")?.split('.').map(str::to_owned).collect();
        let group = self.lowering.plan.names.get(&path).copied()?;
        self.lowering.rules(group).filter(|rules| rules.arity > 0 || !rules_are_values(rules.kind)).map(|_| group)
    }

    fn call(
        &mut self,
        function: &FunctionName,
        arguments: &[Term],
        target: Target,
        steps: &mut Vec<Step>,
    ) -> Result<(), PlanError> {
        if function.path.len() == 1 && function.path.iter().all(|name| name == "walk") {
            return self.walk(arguments, target, steps);
        }
        let operands: Box<[Operand]> =
            arguments.iter().map(|argument| self.operand(argument, steps)).collect::<Result<_, _>>()?;
        if let Some(step) = self.placed_print(function, &operands, &target) {
            steps.push(step);
            return Ok(());
        }
        let step = self.call_step(function, operands.clone(), target.clone())?;
        let step = match self.lowering.mocks.get(&dotted(function)) {
            Some(mock) => Step::Mocked { mock: *mock, arguments: operands, target, call: Box::new(step) },
            None => step,
        };
        steps.push(step);
        Ok(())
    }

    fn call_step(
        &mut self,
        function: &FunctionName,
        arguments: Box<[Operand]>,
        target: Target,
    ) -> Result<Step, PlanError> {
        let wrong = |message: String| PlanError { line: function.span.line, message };
        if let Some((root, path)) = function.path.split_first().filter(|(root, _)| *root == "data") {
            let group = self.lowering.plan.names.get(path).copied();
            let group = group.ok_or_else(|| wrong(format!("undefined function {root}.{}", path.join("."))))?;
            if self.lowering.rules(group).is_none_or(|rules| rules.arity != arguments.len()) {
                return Err(wrong(format!("{}: wrong number of arguments", dotted(function))));
            }
            return Ok(Step::Function { group, arguments, target });
        }
        let name = dotted(function);
        if let (Some(comparison), [left, right]) = (comparison(&name), &*arguments) {
            return Ok(Step::Compare { comparison, left: *left, right: *right, target });
        }
        let builtin = self.lowering.builtin(&name).ok_or_else(|| wrong(format!("undefined function {name}")))?;
        if builtin.arity != arguments.len() {
            return Err(wrong(format!("{name}: wrong number of arguments")));
        }
        Ok(direct(builtin, arguments, target))
    }

    /// `walk` yields many `[path, value]`; the path is made only when something reads it.
    fn walk(&mut self, arguments: &[Term], target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let [value] = arguments else {
            return Err(PlanError { line: 0, message: "walk: wrong number of arguments".to_owned() });
        };
        let value = self.operand(value, steps)?;
        let (path, node) = match target {
            Target::Match(Pattern::Array(parts)) => match <[Pattern; 2]>::try_from(parts.into_vec()) {
                Ok([path, node]) => (path, Target::Match(node)),
                Err(_) => {
                    steps.push(Step::Fail);
                    return Ok(());
                }
            },
            Target::Ignore | Target::Truthy => (Pattern::Any, Target::Ignore),
            target => return self.walk_pairs(value, target, steps),
        };
        steps.push(Step::Walk { value, path, node });
        Ok(())
    }

    fn walk_pairs(&mut self, value: Operand, target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        use crate::policy::engine::rego::evaluate::plan::Template;
        let (path, node) = (self.scope.temporary(), self.scope.temporary());
        steps.push(Step::Walk { value, path: Pattern::Bind(path), node: Target::Bind(node) });
        let parts = [path, node].map(|slot| Template::Operand(Operand::Slot(slot)));
        steps.push(Step::Build { template: Template::Array(Box::new(parts)), target });
        Ok(())
    }
}

fn rules_are_values(kind: crate::policy::engine::rego::syntax::ast::RuleKind) -> bool {
    kind != crate::policy::engine::rego::syntax::ast::RuleKind::Function
}

/// The term is worked out, not just read.
pub(super) fn is_computed(term: &Term) -> bool {
    match &term.kind {
        TermKind::Variable(name) => is_root(name),
        TermKind::Call { .. }
        | TermKind::Reference { .. }
        | TermKind::ArrayComprehension { .. }
        | TermKind::SetComprehension { .. }
        | TermKind::ObjectComprehension { .. } => true,
        _ => false,
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        "equal" | "eq" => Comparison::Equal,
        "neq" => Comparison::Unequal,
        "lt" => Comparison::Less,
        "lte" => Comparison::LessOrEqual,
        "gt" => Comparison::Greater,
        "gte" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// Instructions of their own for what policies do all the time.
fn direct(builtin: &'static Builtin, arguments: Box<[Operand]>, target: Target) -> Step {
    let arithmetic = match builtin.name {
        "plus" => Some(Arithmetic::Plus),
        "minus" => Some(Arithmetic::Minus),
        "mul" => Some(Arithmetic::Times),
        _ => None,
    };
    match (arithmetic, builtin.name, &*arguments) {
        (Some(arithmetic), _, [left, right]) => {
            Step::Calculate { arithmetic, builtin, operands: Box::new([*left, *right]), target }
        }
        (None, "count", [value]) => Step::Count { value: *value, builtin, target },
        (None, "internal.member_2", [item, collection]) => {
            Step::Member { item: *item, collection: *collection, target }
        }
        _ => Step::Builtin { builtin, arguments, target },
    }
}
