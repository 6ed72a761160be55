//! A random walk over schemas and values, seeded: any answer will do, as long as there is one.

use serde_json::{Map, Value, json};

use super::super::types::Type;
use super::super::{Schema, loosen_legacy};
use super::{at, texts};

#[test]
fn never_panics() {
    let mut random = Random(7);
    for _ in 0..20_000 {
        let schema_text = random.schema(4);
        let (schema, _) = Schema::parse(&schema_text, &at());
        loosen_legacy(schema_text.clone(), &at(), &mut Vec::new());
        let mut value = random.value(4);
        let before = schema.validate(&value, &at());
        assert_eq!(texts(&before), texts(&schema.validate(&value, &at())));
        schema.default(&mut value);
        schema.prune(&mut value);
        assert_eq!(schema.unknown_fields(&value, &at()), []);
        schema.validate(&value, &at());
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn value(&mut self, depth: usize) -> Value {
        let scalars = [
            json!(null),
            json!(true),
            json!(3),
            json!(-3.5),
            json!(1e300),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(""),
            json!("é\u{0}"),
            json!("10.0.0.1/8"),
            json!("1s"),
            json!("T-:Z+"),
            json!("object"),
        ];
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0..4 => scalars[self.below(scalars.len())].clone(),
            4 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..self.below(4)).map(|_| (self.name(), self.value(depth - 1))).collect()),
        }
    }

    fn name(&mut self) -> String {
        ["a", "b", "metadata", "kind"][self.below(4)].to_owned()
    }

    fn schema(&mut self, depth: usize) -> Value {
        let mut keywords = Map::new();
        for _ in 0..self.below(6) {
            let keyword = KEYWORDS[self.below(KEYWORDS.len())];
            let value = match keyword {
                _ if self.below(12) == 0 => self.value(2),
                "items" | "not" | "additionalProperties" if depth > 0 => self.schema(depth - 1),
                "anyOf" | "allOf" | "oneOf" if depth > 0 => {
                    (0..self.below(3)).map(|_| self.schema(depth - 1)).collect()
                }
                "properties" if depth > 0 => {
                    Value::Object((0..self.below(3)).map(|_| (self.name(), self.schema(depth - 1))).collect())
                }
                "type" => json!(Type::NAMES[self.below(6)]),
                "format" => json!(["date-time", "int32", "duration", "uuid", "cidr", "double"][self.below(6)]),
                "x-kubernetes-list-type" => json!(["set", "map"][self.below(2)]),
                "required" | "x-kubernetes-list-map-keys" => json!([self.name()]),
                "pattern" => json!(["^a", "(", "[a-z]{0,5}"][self.below(3)]),
                "enum" => (0..2).map(|_| self.value(1)).collect(),
                "default" => self.value(2),
                _ if self.below(2) == 0 => json!(true),
                _ => self.value(0),
            };
            keywords.insert(keyword.to_owned(), value);
        }
        Value::Object(keywords)
    }
}

const KEYWORDS: [&str; 33] = [
    "type",
    "type",
    "type",
    "properties",
    "properties",
    "items",
    "additionalProperties",
    "anyOf",
    "allOf",
    "oneOf",
    "not",
    "format",
    "enum",
    "pattern",
    "default",
    "required",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "nullable",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
];
