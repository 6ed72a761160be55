//! What a case judges: an object as it would be found in a file, or an AdmissionReview with everything it says.

use serde_json::{Value, json};

use super::definition::{Case, FileReference, Place};
use super::outcome::Failure;
use super::strict;
use crate::manifest::{self, Document};
use crate::model::object::{FieldPath, GroupVersionKind, Object};
use crate::model::review::{AdmissionReview, Review};
use crate::policy::evaluate::Expands;
use crate::policy::snapshot::Snapshot;
use crate::workbench::diagnostic::Diagnostic;

/// What a case judges.
pub(super) struct Subject {
    /// Its review.
    pub(super) review: Review,
    /// What is judged beside it: nothing beside a request, as in Gatekeeper's tool.
    pub(super) expands: Expands<'static>,
}

/// The review of a case's object. The Namespace is the one of the case's inventory: nothing else is known here.
pub(super) fn read(file: &FileReference, snapshot: &Snapshot) -> Result<Subject, Failure> {
    let mut documents = documents(file, "object")?.into_iter();
    let (Some(document), 0) = (documents.next(), documents.len()) else {
        let message = format!(
            "object file must contain exactly one object: {:?} defines {} objects",
            file.shown(),
            documents.len() + 1
        );
        let help = "make each object a case of its own; objects that only have to be there go into `inventory`";
        return Err(file.place.problem_with_help(message, help).into());
    };
    let (mut review, expands) = if is_admission_review(document.value()) {
        (admission_review(&document)?, Expands::Nothing)
    } else {
        (Review::of_object(&object(&document)?, None), Expands::ByTemplates)
    };
    review.namespace_object = snapshot.namespace(&review.namespace).cloned();
    Ok(Subject { review, expands })
}

/// The objects of a case's inventory.
pub(super) fn inventory(case: &Case) -> Result<Vec<Object>, Failure> {
    inventory_of(&case.inventory)
}

/// The objects of the files of an inventory.
pub(super) fn inventory_of(files: &[FileReference]) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    for file in files {
        for document in documents(file, "inventory")? {
            objects.push(object(&document)?);
        }
    }
    Ok(objects)
}

/// The documents of a file; at least one.
pub(super) fn documents(file: &FileReference, role: &str) -> Result<Vec<Document>, Failure> {
    let (documents, errors) = manifest::read_file(&file.path);
    if let [error] = errors.as_slice()
        && error.span.is_none()
    {
        // The file as a whole: the mistake is in the suite.
        let message = format!("reading {role} from {:?}: {}", file.shown(), error.message);
        let help = "a path in a suite is relative to the suite's file";
        return Err(file.place.problem_with_help(message, help).into());
    }
    if !errors.is_empty() {
        let reading = |error| {
            let problem = Diagnostic::from(error);
            Diagnostic { message: format!("reading {role} from {:?}: {}", file.shown(), problem.message), ..problem }
        };
        return Err(Failure::Input(errors.into_iter().map(reading).collect()));
    }
    if documents.is_empty() {
        let message = format!("missing objects: path {:?} defines no YAML objects", file.shown());
        return Err(file.place.problem(message).into());
    }
    Ok(documents)
}

/// A document as an object.
pub(super) fn object(document: &Document) -> Result<Object, Failure> {
    Object::from_value(document.value().clone()).map_err(|error| {
        let location = document.locate(&error.path).location;
        Diagnostic::at(document, &location, error.to_string()).into()
    })
}

fn is_admission_review(value: &Value) -> bool {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let gvk = GroupVersionKind::from_api_version(text("apiVersion"), text("kind"));
    gvk.group == "admission.k8s.io" && gvk.kind == "AdmissionReview"
}

/// Errors carry Gatekeeper's texts.
fn admission_review(document: &Document) -> Result<Review, Failure> {
    let problem = |path: FieldPath, message: String| -> Failure {
        Diagnostic::at(document, &document.locate_key(&path).location, message).into()
    };
    let unknown = strict::unknown_fields(document.value());
    if let Some(first) = unknown.first() {
        let fields: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        let message = format!(
            "not a valid AdmissionReview object: unable to convert to an AdmissionReview object, error: strict \
             decoding error: {}",
            fields.join(", ")
        );
        return Err(problem(first.clone(), message));
    }
    let request_path = FieldPath::from(["request"]);
    let Some(request) = document.value().get("request").filter(|request| !request.is_null()) else {
        let message = "missing an AdmissionRequest object: request did not actually pass in an AdmissionRequest";
        return Err(problem(FieldPath::root(), message.to_owned()));
    };
    let subject = ["object", "oldObject"].iter().find_map(|key| request.get(key).filter(|value| !value.is_null()));
    let Some(subject) = subject else {
        let message = "no object or oldObject found to review: AdmissionRequest does not contain an \"object\" or \
                       \"oldObject\" to review";
        return Err(problem(request_path, message.to_owned()));
    };
    parse(document.value().clone(), subject)
        .map_err(|message| problem(request_path, format!("not a valid AdmissionReview object: {message}")))
}

/// An API server always names the kind; in files it may be left out, and policies then see an empty one.
fn parse(mut value: Value, subject: &Value) -> Result<Review, String> {
    let has_kind = value.pointer("/request/kind").is_some_and(|kind| !kind.is_null());
    if !has_kind && let Some(request) = value.get_mut("request").and_then(Value::as_object_mut) {
        request.insert("kind".to_owned(), json!({"kind": subject.get("kind")}));
    }
    let bytes = serde_json::to_vec(&value).map_err(|error| error.to_string())?;
    let mut review = AdmissionReview::parse(&bytes).map_err(|rejected| rejected.error.to_string())?.review;
    if !has_kind {
        review.kind = GroupVersionKind { group: String::new(), version: String::new(), kind: String::new() };
    }
    Ok(review)
}

/// A reference that a suite must have.
pub(super) fn required<'a>(
    reference: Option<&'a FileReference>,
    place: &Place,
    message: &str,
    help: &str,
) -> Result<&'a FileReference, Failure> {
    reference.ok_or_else(|| place.problem_with_help(message, help).into())
}
