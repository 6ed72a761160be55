//! What holds of every text, Rego or not.

use std::panic::catch_unwind;
use std::sync::LazyLock;

use admit::model::api::RegoVersion;
use admit::policy::engine::rego::syntax::ast::Module;
use admit::policy::engine::rego::syntax::format::format;
use admit::policy::engine::rego::syntax::parser::parse_module;
use admit::policy::engine::rego::syntax::print::print_module;
use regex::Regex;

static WILDCARDS: LazyLock<Regex> = LazyLock::new(|| Regex::new("_+wild[0-9]+_+").unwrap());

/// What is wrong with how a text is read and written: a name for it.
pub(super) fn fault(text: &str, version: RegoVersion) -> Option<&'static str> {
    let owned = text.to_owned();
    catch_unwind(move || fault_of(&owned, version)).unwrap_or(Some("reading or writing it panics"))
}

fn fault_of(text: &str, version: RegoVersion) -> Option<&'static str> {
    let formatted = format(text, version);
    let Ok(module) = parse_module("m", text, version) else {
        return formatted.is_ok().then_some("what cannot be read is formatted");
    };
    let Ok(formatted) = formatted else { return Some("what can be read is not formatted") };
    match format(&formatted, version) {
        Ok(again) if again == formatted => {}
        Ok(_) => return Some("formatting twice is not formatting once"),
        Err(_) => return Some("what was formatted cannot be read"),
    }
    let printed = print_module(&module, version);
    match parse_module("m", &printed, version) {
        Ok(again) if plain(&again) == plain(&module) => None,
        Ok(_) => Some("what is printed means something else"),
        Err(_) => Some("what is printed cannot be read"),
    }
}

/// A module as text, without what the printer decides itself: imports of keywords, and names for wildcards.
fn plain(module: &Module) -> String {
    let is_keyword = |path: &[String]| path.first().is_some_and(|root| root == "future" || root == "rego");
    let mut module = module.clone();
    module.imports.retain(|import| !is_keyword(&import.path));
    let text = print_module(&module, module.version);
    WILDCARDS.replace_all(&text, "_").into_owned()
}
