//! How types relate: may one value be of both, what are the keys, what is below a key.
//!
//! Invariant: as OPA's `types` package, but unknown parts fit everything.

use super::{Key, Kind, Type, TypeRef};

/// Whether a value may be of both types.
pub(super) fn unifies(a: &Type, b: &Type) -> bool {
    if a.is_anything() || b.is_anything() {
        return true;
    }
    match (&a.kind, &b.kind) {
        (Kind::Any(options), _) if options.iter().any(|option| unifies(option, b)) => true,
        (_, Kind::Any(options)) => options.iter().any(|option| unifies(a, option)),
        (Kind::Null, Kind::Null)
        | (Kind::Boolean, Kind::Boolean)
        | (Kind::Number, Kind::Number)
        | (Kind::String, Kind::String) => true,
        (Kind::Array { items: a, rest: rest_a }, Kind::Array { items: b, rest: rest_b }) => {
            let fits = |items: &[TypeRef], others: &[TypeRef], rest: &Option<TypeRef>| {
                items
                    .iter()
                    .enumerate()
                    .all(|(index, item)| others.get(index).or(rest.as_ref()).is_some_and(|other| unifies(item, other)))
            };
            let rests_fit = match (rest_a, rest_b) {
                (Some(a), Some(b)) => unifies(a, b),
                _ => true,
            };
            fits(a, b, rest_b) && fits(b, a, rest_a) && rests_fit
        }
        (Kind::Object { fields: fields_a, rest: rest_a }, Kind::Object { fields: fields_b, rest: rest_b }) => {
            let fits = |fields: &[(Key, TypeRef)], other: &Type| {
                fields.iter().all(|(key, value)| field(other, key).is_some_and(|found| unifies(value, &found)))
            };
            let rests_fit = match (rest_a, rest_b) {
                (Some((_, a)), Some((_, b))) => unifies(a, b),
                _ => true,
            };
            fits(fields_a, b) && fits(fields_b, a) && rests_fit
        }
        (Kind::Set(a), Kind::Set(b)) => unifies(a, b),
        _ => false,
    }
}

/// Either of two types.
pub(super) fn either(a: &TypeRef, b: &TypeRef) -> TypeRef {
    match (&a.kind, &b.kind) {
        (Kind::Unknown, _) => b.clone(),
        (_, Kind::Unknown) => a.clone(),
        _ if a.is_anything() || b.is_anything() => Type::any(),
        _ if a == b => a.clone(),
        _ => {
            let mut options: Vec<TypeRef> = options(a).iter().chain(options(b)).cloned().collect();
            options.sort();
            options.dedup();
            Type::of(Kind::Any(options))
        }
    }
}

/// Either of many types.
pub(super) fn any_of(types: impl IntoIterator<Item = TypeRef>) -> Option<TypeRef> {
    let mut found: Vec<TypeRef> = Vec::new();
    for one in types {
        if one.is_anything() {
            return Some(Type::any());
        }
        found.extend(options(&one).iter().cloned());
    }
    found.sort();
    found.dedup();
    if found.len() > 1 { Some(Type::of(Kind::Any(found))) } else { found.pop() }
}

fn options(one: &TypeRef) -> &[TypeRef] {
    match &one.kind {
        Kind::Any(options) => options,
        _ => std::slice::from_ref(one),
    }
}

/// The types of the keys; `None` for what has none.
pub(super) fn keys(of: &Type) -> Option<TypeRef> {
    match &of.kind {
        _ if of.is_anything() => Some(Type::any()),
        Kind::Array { .. } => Some(Type::of(Kind::Number)),
        Kind::Object { fields, rest } => {
            let rest = rest.iter().map(|(key, _)| key.clone());
            any_of(fields.iter().map(|(key, _)| key.type_of()).chain(rest))
        }
        Kind::Set(element) => Some(element.clone()),
        Kind::Any(options) => any_of(options.iter().filter_map(|option| keys(option))),
        _ => None,
    }
}

/// The types of what is below any key.
pub(super) fn values(of: &Type) -> Option<TypeRef> {
    match &of.kind {
        _ if of.is_anything() => Some(Type::any()),
        Kind::Array { items, rest } => any_of(items.iter().chain(rest).cloned()),
        Kind::Object { fields, rest } => {
            let rest = rest.iter().map(|(_, value)| value.clone());
            any_of(fields.iter().map(|(_, value)| value.clone()).chain(rest))
        }
        Kind::Set(element) => Some(element.clone()),
        Kind::Any(options) => any_of(options.iter().filter_map(|option| values(option))),
        _ => None,
    }
}

/// The type below one key; `None` when nothing can be there.
pub(super) fn select(of: &TypeRef, key: &Key) -> Option<TypeRef> {
    match &of.kind {
        _ if of.is_anything() => Some(Type::any()),
        Kind::Array { items, rest } => {
            let Key::Number(text) = key else {
                return None;
            };
            match text.parse::<usize>() {
                Ok(index) => items.get(index).or(rest.as_ref()).cloned(),
                Err(_) => None,
            }
        }
        Kind::Object { .. } => field(of, key),
        Kind::Set(element) => {
            let wanted = key.type_of();
            contains(element, &wanted).then_some(wanted)
        }
        Kind::Any(options) => any_of(options.iter().filter_map(|option| select(option, key))),
        _ => None,
    }
}

fn field(of: &Type, key: &Key) -> Option<TypeRef> {
    let Kind::Object { fields, rest } = &of.kind else {
        return None;
    };
    if let Ok(index) = fields.binary_search_by(|(name, _)| name.cmp(key)) {
        return fields.get(index).map(|(_, value)| value.clone());
    }
    let (keys, value) = rest.as_ref()?;
    contains(keys, &key.type_of()).then(|| value.clone())
}

/// Whether one type is, or lists, the other.
fn contains(one: &Type, other: &TypeRef) -> bool {
    one.is_anything()
        || match &one.kind {
            Kind::Any(options) => options.contains(other),
            _ => one == other.as_ref(),
        }
}

/// Two types that rules of one path give, in one.
pub(super) fn merge(a: &TypeRef, b: &TypeRef) -> TypeRef {
    match (&a.kind, &b.kind) {
        (Kind::Unknown, _) => b.clone(),
        (_, Kind::Unknown) => a.clone(),
        (
            Kind::Object { fields: fields_a, rest: Some((key_a, value_a)) },
            Kind::Object { fields: fields_b, rest: Some((key_b, value_b)) },
        ) if fields_a.is_empty() && fields_b.is_empty() => {
            Type::object_of(either(key_a, key_b), merge(value_a, value_b))
        }
        (Kind::Set(a), Kind::Set(b)) => Type::of(Kind::Set(either(a, b))),
        _ => either(a, b),
    }
}
