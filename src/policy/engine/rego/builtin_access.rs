//! Which of OPA's builtins policies may call: what `--enable-opa-builtin` and `--disable-opa-builtin` say.
//!
//! Guarantees: small and `Copy`, because it goes wherever a policy is compiled; a name that is no builtin of OPA is never
//! taken in silently; what is disabled stays so whatever is enabled; what reaches out of the process has to be enabled.

use thiserror::Error;

use super::builtins::external_data::NAME as EXTERNAL_DATA;
use super::compile::signatures;

/// What was enabled and disabled by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuiltinAccess {
    enabled: Names,
    disabled: Names,
    external_data: ExternalData,
}

/// Whether policies may ask providers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ExternalData {
    #[default]
    Allowed,
    /// By `--enable-external-data=false`.
    Disabled,
    /// An evaluator that cannot ask.
    Unreachable,
}

/// Not the name of a builtin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("OPA has no builtin {name:?}; the nearest name is {nearest:?}")]
pub struct UnknownBuiltin {
    /// What was asked for.
    pub name: String,
    /// What may have been meant.
    pub nearest: &'static str,
}

impl BuiltinAccess {
    /// Lets policies call a builtin that is refused otherwise, such as `http.send`.
    ///
    /// # Errors
    /// When OPA has none of that name.
    pub fn enable(&mut self, name: &str) -> Result<(), UnknownBuiltin> {
        self.enabled.insert(name)
    }

    /// Takes a builtin away from policies.
    ///
    /// # Errors
    /// When OPA has none of that name.
    pub fn disable(&mut self, name: &str) -> Result<(), UnknownBuiltin> {
        self.disabled.insert(name)
    }

    /// Takes `external_data` away from policies.
    pub fn disable_external_data(&mut self) {
        self.external_data = ExternalData::Disabled;
    }

    /// Whether policies and mutators may ask providers.
    pub fn has_external_data(self) -> bool {
        self.external_data == ExternalData::Allowed
    }

    /// Whether anything that reaches out was enabled.
    pub(super) fn may_reach_out(self) -> bool {
        self.enabled != Names::default()
    }

    /// The same for an evaluator that must not act on the world.
    pub(super) fn without_reach(self) -> Self {
        let external_data = match self.external_data {
            ExternalData::Disabled => ExternalData::Disabled,
            ExternalData::Allowed | ExternalData::Unreachable => ExternalData::Unreachable,
        };
        Self { enabled: Names::default(), external_data, ..self }
    }

    /// Why policies may not call a builtin; nothing when they may.
    pub(super) fn refusal(self, name: &str, reaches_out: bool) -> Option<String> {
        if name == EXTERNAL_DATA {
            return self.external_data.refusal();
        }
        if self.disabled.contains(name) {
            return Some(format!("{name} was disabled with `--disable-opa-builtin {name}`"));
        }
        (reaches_out && !self.enabled.contains(name)).then(|| {
            format!(
                "{name} reaches outside of the review and the inventory, which policies may only where admit's own \
                 evaluator is started with `--enable-opa-builtin {name}`"
            )
        })
    }
}

impl ExternalData {
    fn refusal(self) -> Option<String> {
        let text = match self {
            Self::Allowed => return None,
            Self::Disabled => "external_data was disabled with `--enable-external-data=false`",
            Self::Unreachable => {
                "only admit's own evaluator can ask providers of external data; leave out `--rego-engine`"
            }
        };
        Some(text.to_owned())
    }
}

/// Names of builtins, by their place in the sorted table of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Names([u64; 4]);

impl Names {
    fn insert(&mut self, name: &str) -> Result<(), UnknownBuiltin> {
        let place = signatures::position(name).and_then(|position| self.0.get_mut(position / 64).zip(Some(position)));
        match place {
            Some((word, position)) => {
                *word |= 1 << (position % 64);
                Ok(())
            }
            None => Err(UnknownBuiltin { name: name.to_owned(), nearest: nearest(name) }),
        }
    }

    fn contains(self, name: &str) -> bool {
        // Most policies are compiled without any: no search then.
        self != Self::default()
            && signatures::position(name).is_some_and(|position| {
                self.0.get(position / 64).is_some_and(|word| word & (1 << (position % 64)) != 0)
            })
    }
}

fn nearest(name: &str) -> &'static str {
    signatures::names().min_by_key(|known| strsim::damerau_levenshtein(name, known)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_can_be_named() {
        for name in signatures::names() {
            let mut access = BuiltinAccess::default();
            assert_eq!(access.disable(name), Ok(()), "{name}");
            assert!(access.refusal(name, false).is_some(), "{name}");
            let others = signatures::names().filter(|other| *other != name);
            assert!(others.into_iter().all(|other| access.refusal(other, false).is_none()), "{name}");
        }
    }

    #[test]
    fn disabling_wins_and_reaching_out_has_to_be_enabled() {
        let mut access = BuiltinAccess::default();
        assert!(access.refusal("http.send", true).is_some_and(|text| text.contains("--enable-opa-builtin http.send")));
        access.enable("http.send").unwrap();
        assert_eq!(access.refusal("http.send", true), None);
        assert!(access.without_reach().refusal("http.send", true).is_some());
        access.disable("http.send").unwrap();
        assert!(access.refusal("http.send", true).is_some_and(|text| text.contains("--disable-opa-builtin")));
        let unknown = access.disable("htp.send").unwrap_err();
        assert_eq!(unknown.nearest, "http.send");
    }
}
