//! A resource under judgement, wherever it came from: a request of the API server, a file, an object of the cluster.

mod admission;
mod exact;
mod reviewed_object;

use std::sync::Arc;

use crate::model::object::{GroupVersionKind, Object};
use crate::model::value::Value;

pub use admission::{AdmissionResponse, AdmissionReview, RejectedReview, ReviewError};
pub use exact::ExactObjects;
pub use reviewed_object::ReviewedObject;

/// What policies see as `input.review`, and what matchers look at.
///
/// Simplifying assumption, kept by every constructor: at least one of `object` and `old_object` is there.
#[derive(Clone, Debug)]
pub struct Review {
    /// The request's id; empty when no request was made.
    pub uid: String,
    /// The type that the request is about.
    pub kind: GroupVersionKind,
    /// Name in the request; empty at CREATE with `generateName`.
    pub name: String,
    /// Namespace in the request; empty for cluster-scoped resources, Namespaces included.
    pub namespace: String,
    /// What is being done; `None` when nothing is (files, audit).
    pub operation: Option<Operation>,
    /// The object as it would be stored. At DELETE the object that goes.
    pub object: Option<Arc<ReviewedObject>>,
    /// The object as it is stored; `None` at CREATE.
    pub old_object: Option<Arc<ReviewedObject>>,
    /// Where the object came from.
    pub source: Source,
    /// The namespace that the object is in, when it is known.
    pub namespace_object: Option<Arc<ReviewedObject>>,
    /// The remaining fields of the request, as they arrived; `None` where absent.
    pub request: RequestFields,
}

/// Fields of an AdmissionRequest that only policies look at.
#[derive(Clone, Debug, Default)]
pub struct RequestFields {
    /// `resource`: group, version and plural name.
    pub resource: Option<Value>,
    /// `subResource`, for example `status`.
    pub sub_resource: Option<Value>,
    /// `requestKind`, `requestResource` and `requestSubResource`, by their names.
    pub original: Vec<(&'static str, Value)>,
    /// `userInfo`.
    pub user_info: Option<Value>,
    /// `dryRun`.
    pub dry_run: Option<bool>,
    /// `options`.
    pub options: Option<Value>,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Make a resource.
    Create,
    /// Change a resource.
    Update,
    /// Remove a resource.
    Delete,
    /// Open a connection to one (`exec`, `port-forward`).
    Connect,
}

/// Where the object under review came from (`spec.match.source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A request, a file, or the cluster.
    Original,
    /// Expanding a generator.
    Generated,
}

impl Review {
    /// A review of an object that nobody is changing: a file, or an object found in the cluster.
    pub fn of_object(object: &Object, namespace_object: Option<Arc<ReviewedObject>>) -> Self {
        Self::of_reviewed(ReviewedObject::from(object), namespace_object)
    }

    /// The same for an object in the form in which policies read it.
    pub fn of_reviewed(object: ReviewedObject, namespace_object: Option<Arc<ReviewedObject>>) -> Self {
        // A Namespace is not in itself.
        let namespace = if object.is_namespace() { String::new() } else { object.namespace().to_owned() };
        Self {
            uid: String::new(),
            kind: object.gvk().clone(),
            name: object.name().to_owned(),
            namespace,
            operation: None,
            old_object: None,
            source: Source::Original,
            namespace_object,
            request: RequestFields::default(),
            object: Some(Arc::new(object)),
        }
    }

    /// The objects to match, in the order in which they are tried.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<ReviewedObject>> {
        self.object.iter().chain(&self.old_object)
    }

    /// The name to show people: the request's, else the object's, else what its name will begin with.
    pub fn display_name(&self) -> &str {
        let object = self.objects().next();
        let candidates =
            [Some(self.name.as_str()), object.map(|object| object.name()), object.map(|object| object.generate_name())];
        candidates.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default()
    }

    /// Whether the request asked for nothing to be stored.
    pub fn is_dry_run(&self) -> bool {
        self.request.dry_run.unwrap_or_default()
    }

    /// Who asked; empty when nobody did.
    pub fn username(&self) -> &str {
        let username = self.request.user_info.as_ref().and_then(|user| reviewed_object::field(user, "username"));
        username.and_then(Value::as_str).unwrap_or_default()
    }
}

impl Operation {
    /// The operation's name in requests and policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }

    /// Reads the operation's name.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete, Self::Connect].into_iter().find(|one| one.as_str() == text)
    }
}
