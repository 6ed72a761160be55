//! Providers of external data with answers of their own, and a source that gives these answers.

use std::collections::BTreeMap;
use std::sync::Mutex;

use admit::model::object::Object;
use admit::policy::engine::external_data::{Answer, ExternalDataSource, Item, ProviderFailure, Purpose, Question};
use data_encoding::BASE64;
use serde_json::{Value, json};

const NAMES: [&str; 8] = ["p", "q", "down", "number", "error", "other", "fickle", "sick"];

/// The providers that there are.
pub(super) fn all() -> Vec<Object> {
    let authority = rcgen::generate_simple_self_signed(vec!["provider".to_owned()]).unwrap().cert.pem();
    let provider = |name: &str| {
        Object::from_value(json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "Provider",
            "metadata": {"name": name}, "spec": {"url": "https://127.0.0.1:1/v1", "timeout": 1,
                "caBundle": BASE64.encode(authority.as_bytes())}}))
        .unwrap()
    };
    NAMES.map(provider).to_vec()
}

/// Answers, and remembers what it was asked.
#[derive(Debug, Default)]
pub(super) struct Table {
    asked: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Table {
    /// Keys by provider.
    pub(super) fn asked(&self) -> Value {
        json!(*self.asked.lock().unwrap())
    }
}

impl ExternalDataSource for Table {
    fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>> {
        questions.iter().map(|question| self.answer(question)).collect()
    }
}

impl Table {
    fn answer(&self, question: &Question<'_>) -> Result<Answer, ProviderFailure> {
        let name = question.provider.name.as_str();
        assert_eq!(question.purpose, Purpose::Mutation);
        let before = self.asked.lock().unwrap().insert(name.to_owned(), question.keys.to_vec());
        assert_eq!(before, None, "each provider is asked once");
        if name == "down" {
            return Err(ProviderFailure::Failed("no route".to_owned()));
        }
        let value = |key: &String| match name {
            "number" => Ok(json!(5)),
            "error" => Err(format!("{key} is bad")),
            _ => Ok(json!(format!("{name}({key})"))),
        };
        let key = |key: &String| if name == "other" { format!("not {key}") } else { key.clone() };
        let items = question.keys.iter().map(|one| Item { key: key(one), value: value(one) }).collect();
        let system_error = if name == "sick" { " tired\n".to_owned() } else { String::new() };
        Ok(Answer { items, system_error, is_idempotent: name != "fickle", status_code: 200 })
    }
}
