//! `--narrow-webhook-rules`: the rules of the validating webhook are kept to what constraints need.
//!
//! ```text
//! reports, snapshot ─┐                      ┌─ wider: at once, by every replica ─┐
//! discovery ─────────┼─► what is needed ────┤                                    ├─► rules of the webhook
//! the configuration ─┘                      └─ narrower: when all was quiet, ────┘
//!                                              by the holder of a Lease
//! ```
//!
//! Promises: a constraint is reported as enforced after the rules let through what it is about, unless they cannot be
//! written; rules are never wider than they were applied; without the flag they become again what they were. How they
//! were applied is remembered in an annotation. Rules that somebody applies later and that go beyond those count as the
//! applied ones from then on; any other change is put right. What does not stay narrow is narrowed ever less often.
//! Assumption: a CustomResourceDefinition whose kind a constraint names in any group, and that calls its resource otherwise
//! than all others of that kind, is known within [`DISCOVERY_PAUSE`].

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::discovery::v2::{APIGroupDiscoveryList, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{debug, info};

use super::certificates::watch_one;
use super::troubles::{Rests, Trouble, Troubles};
use super::watches::resource;
use super::{Clients, FIELD_MANAGER};
use crate::model::api::{CONSTRAINTS_GROUP, GeneratorKinds, KindSelector, Match, TEMPLATES_GROUP};
use crate::model::object::{FieldPath, Object};
use crate::policy::snapshot::SnapshotHandle;
use crate::server::webhook_rules::{Interest, Known, Patience, Rules, needs};
use crate::server::writer::Report;

/// The webhook whose rules are kept.
const WEBHOOK: &str = "validation.gatekeeper.sh";
/// Where it is remembered how the rules were applied.
const ANNOTATION: &str = "admit.gatekeeper.sh/rules-as-applied";
/// How often it is asked which kinds there are.
const DISCOVERY_PAUSE: Duration = Duration::from_secs(30);
/// The longest that the API server is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// A report is held back no longer than this while the rules that it needs cannot be written, and one more attempt.
const HOLD_BACK: Duration = Duration::from_secs(2);
/// After a change.
const REST: Duration = Duration::from_millis(200);
/// How often it is looked, without the flag, whether there are rules to restore.
const RESTORE_PAUSE: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(600);

/// `--narrow-webhook-rules` and what belongs to it.
#[derive(Clone, Debug)]
pub struct WebhookRules {
    /// Whether rules are narrowed; they are restored otherwise.
    pub are_narrowed: bool,
    /// How long nothing may change before they get narrower.
    pub pause: Duration,
    /// `--validating-webhook-configuration-name`.
    pub configuration: String,
}

/// Narrows for ever. Each report is handed on when the rules let through what it is about.
pub(super) async fn run(
    clients: Clients,
    options: WebhookRules,
    snapshots: Arc<SnapshotHandle>,
    mut reports: watch::Receiver<Report>,
    told: watch::Sender<Report>,
    mut held: watch::Receiver<bool>,
) {
    let mut keeper = Keeper::new(clients, options);
    let mut seen = watch_one(keeper.api.clone(), &keeper.options.configuration, &keeper.troubles);
    let mut is_new = true;
    // Rules may be narrow from before; what is reported first must not come before that is known.
    keeper.look_again().await;
    loop {
        let report = reports.borrow_and_update().clone();
        let is_held = *held.borrow_and_update();
        let mut wake = IDLE;
        if report.is_complete {
            wake = keeper.act(&interests(&report, &snapshots), is_held).await;
        }
        if std::mem::take(&mut is_new) {
            told.send_replace(report);
        }
        tokio::select! {
            changed = reports.changed() => match changed {
                Ok(()) => is_new = true,
                Err(_) => return std::future::pending().await,
            },
            Some(found) = seen.next() => keeper.see(found),
            changed = held.changed() => if changed.is_err() { std::future::pending().await },
            () = tokio::time::sleep(wake) => {}
        }
    }
}

/// Restores for ever what a process with the flag has narrowed.
pub(super) async fn restore(clients: Clients, options: WebhookRules) {
    let mut keeper = Keeper::new(clients, options);
    loop {
        match keeper.look().await {
            Ok(found) => {
                keeper.see(found);
                keeper.restore_once().await;
            }
            // Who never narrowed needs no rights for this.
            Err(error) => debug!(%error, "webhook rules cannot be read; not looking for any to restore"),
        }
        tokio::time::sleep(RESTORE_PAUSE).await;
    }
}

/// What constraints are about: those that are there, and those that are in force still in another version.
fn interests(report: &Report, snapshots: &SnapshotHandle) -> Vec<Interest> {
    let templates: Vec<&Arc<Object>> = of_group(report, TEMPLATES_GROUP).collect();
    let there = of_group(report, CONSTRAINTS_GROUP).map(|constraint| {
        let template = templates.iter().find(|one| made_kind(one) == Some(constraint.gvk().kind.as_str()));
        Interest { criteria: criteria(constraint), operations: template.map(|one| operations(one)).unwrap_or_default() }
    });
    let snapshot = snapshots.load();
    let in_force = snapshot
        .constraints()
        .iter()
        .map(|one| Interest { criteria: one.constraint.criteria.clone(), operations: one.operations.clone() });
    let expanded = snapshot.expansions().in_force().flat_map(|one| one.apply_to.iter().filter_map(generators));
    there.chain(in_force).chain(expanded).collect()
}

/// What ExpansionTemplates expand has to be let through, whatever constraints say of it: they are about what comes of it.
/// An entry without a group, version or kind is for nothing.
fn generators(entry: &GeneratorKinds) -> Option<Interest> {
    let GeneratorKinds { groups, versions, kinds } = entry;
    if [groups, versions, kinds].iter().any(|texts| texts.is_empty()) {
        return None;
    }
    let selector = KindSelector { api_groups: groups.clone(), kinds: kinds.clone() };
    Some(Interest { criteria: Match { kinds: vec![selector], ..Match::default() }, operations: Vec::new() })
}

fn of_group<'r>(report: &'r Report, group: &'static str) -> impl Iterator<Item = &'r Arc<Object>> {
    report.resources.iter().map(|state| &state.object).filter(move |object| object.gvk().group == group)
}

/// The kind of constraint that a template makes.
fn made_kind(template: &Object) -> Option<&str> {
    template.field(&["spec", "crd", "spec", "names", "kind"]).and_then(Value::as_str)
}

/// What cannot be read may be about anything.
fn criteria(constraint: &Object) -> Match {
    let mut errors = Vec::new();
    let Some(written) = constraint.field(&["spec", "match"]) else { return Match::default() };
    let criteria = Match::parse(written, FieldPath::root(), &mut errors);
    if errors.is_empty() { criteria } else { Match::default() }
}

/// `targets[].operations`; empty for all, and for what cannot be read.
fn operations(template: &Object) -> Vec<String> {
    let targets = template.field(&["spec", "targets"]).and_then(Value::as_array).map(Vec::as_slice);
    let Some([target]) = targets else { return Vec::new() };
    let list = target.get("operations").and_then(Value::as_array).into_iter().flatten();
    let texts: Option<Vec<String>> = list.map(|one| one.as_str().map(str::to_owned)).collect();
    texts.filter(|texts| !texts.iter().any(|one| one == "*")).unwrap_or_default()
}

struct Keeper {
    client: Client,
    api: Api<DynamicObject>,
    options: WebhookRules,
    found: Option<DynamicObject>,
    known: Option<BTreeSet<Known>>,
    asked: Option<Instant>,
    patience: Patience,
    troubles: Arc<Troubles>,
    rests: Rests,
}

/// The rules of the webhook now, and how they were applied.
struct Current {
    rules: Rules,
    applied: Value,
    applied_rules: Rules,
    is_remembered: bool,
}

impl Keeper {
    fn new(clients: Clients, options: WebhookRules) -> Self {
        let Clients { hasty: client, troubles, .. } = clients;
        let kind = ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations");
        let api = Api::all_with(client.clone(), &resource("admissionregistration.k8s.io", "v1", kind.0, kind.1));
        let (patience, rests) = (Patience::new(options.pause), Rests::default());
        Self { client, api, options, found: None, known: None, asked: None, patience, troubles, rests }
    }

    fn see(&mut self, found: Option<DynamicObject>) {
        self.found = found;
    }

    /// Does what is to be done now; how long there is nothing to do.
    async fn act(&mut self, interests: &[Interest], is_held: bool) -> Duration {
        if self.asked.is_none_or(|asked| asked.elapsed() >= DISCOVERY_PAUSE) {
            // What was known stays known while the API server does not answer: little is new there then.
            if let Some(answer) = discover(&self.client, &self.troubles).await {
                self.known = answer;
            }
            self.asked = Some(Instant::now());
        }
        let needs = needs(interests, self.known.as_ref());
        let begun = Instant::now();
        loop {
            let Some(current) = self.current() else { return DISCOVERY_PAUSE };
            let wanted = current.applied_rules.narrowed(&needs);
            if current.rules.cover(&wanted) {
                return self.narrow(&current, wanted, is_held).await;
            }
            self.patience.rest(&wanted);
            let wider = if wanted == current.applied_rules { wanted } else { current.rules.and(&wanted) };
            let Err(trouble) = self.write(&current, &wider, "webhook rules widened").await else { continue };
            let rest = self.rests.next(trouble, Instant::now());
            if begun.elapsed() + rest > HOLD_BACK {
                return rest;
            }
            tokio::time::sleep(rest).await;
            self.look_again().await;
        }
    }

    /// Writes narrower rules when they have been wanted for long enough.
    async fn narrow(&mut self, current: &Current, wanted: Rules, is_held: bool) -> Duration {
        if current.rules == wanted {
            self.patience.rest(&wanted);
            return DISCOVERY_PAUSE;
        }
        // Who does not hold the Lease counts, too: to go on where the holder has ended.
        let remaining = self.patience.remaining(&wanted, Instant::now());
        if !is_held {
            return DISCOVERY_PAUSE;
        }
        if !remaining.is_zero() {
            return remaining.clamp(REST, DISCOVERY_PAUSE);
        }
        // The watch tells what became of it.
        match self.write(current, &wanted, "webhook rules narrowed").await {
            Ok(()) => {
                self.patience.note(&wanted, Instant::now());
                REST
            }
            Err(trouble) => {
                self.look_again().await;
                self.rests.next(trouble, Instant::now())
            }
        }
    }

    async fn restore_once(&mut self) {
        let Some(current) = self.current().filter(|current| current.is_remembered) else { return };
        let patch = json!({"rules": current.applied, "name": WEBHOOK});
        if self.patch(&patch, &Value::Null).await.is_ok() {
            info!(name = self.options.configuration, "webhook rules restored to how they were applied");
        }
    }

    /// `None` when there is no such webhook, or its rules cannot be read.
    fn current(&self) -> Option<Current> {
        let object = self.found.as_ref()?;
        let webhooks = object.data.get("webhooks")?.as_array()?;
        let webhook = webhooks.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(WEBHOOK))?;
        let written = webhook.get("rules")?;
        let rules = Rules::read(written)?;
        let remembered = object.annotations().get(ANNOTATION).and_then(|text| serde_json::from_str::<Value>(text).ok());
        // What goes beyond what is remembered was applied later.
        let remembered = remembered.and_then(|value| Some((Rules::read(&value)?, value)));
        let (applied_rules, applied, is_remembered) = match remembered.filter(|(before, _)| before.cover(&rules)) {
            Some((before, value)) => (before, value, true),
            None => (rules.clone(), written.clone(), object.annotations().contains_key(ANNOTATION)),
        };
        Some(Current { rules, applied, applied_rules, is_remembered })
    }

    async fn write(&mut self, current: &Current, rules: &Rules, what: &'static str) -> Result<(), Trouble> {
        let value = if *rules == current.applied_rules { current.applied.clone() } else { rules.to_value() };
        self.patch(&json!({"name": WEBHOOK, "rules": value}), &current.applied.to_string().into()).await?;
        info!(name = self.options.configuration, rules = %value, "{what}");
        Ok(())
    }

    /// Merged by the names of webhooks, and refused when the object is not the one that we have seen.
    async fn patch(&mut self, webhook: &Value, annotation: &Value) -> Result<(), Trouble> {
        let version = self.found.as_ref().and_then(ResourceExt::resource_version);
        let metadata = json!({"resourceVersion": version, "annotations": {ANNOTATION: annotation}});
        let patch = Patch::Strategic(json!({"metadata": metadata, "webhooks": [webhook]}));
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let name = &self.options.configuration;
        match tokio::time::timeout(PATIENCE, self.api.patch(name, &parameters, &patch)).await {
            Ok(Ok(object)) => {
                self.found = Some(object);
                Ok(())
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Trouble::Broken),
            Ok(Err(error)) => Err(self.failed(Trouble::of_request(&error), &error)),
            Err(elapsed) => Err(self.failed(Trouble::Unreachable, &elapsed)),
        }
    }

    fn failed(&self, trouble: Trouble, error: &(dyn Error + 'static)) -> Trouble {
        self.troubles.failed("writing webhook rules", &self.options.configuration, trouble, error);
        trouble
    }

    async fn look_again(&mut self) {
        if let Ok(Ok(found)) = tokio::time::timeout(PATIENCE, self.look()).await {
            self.found = found;
        }
    }

    /// By a list: to watch it, that right is needed anyway.
    async fn look(&self) -> Result<Option<DynamicObject>, kube::Error> {
        let only = ListParams::default().fields(&format!("metadata.name={}", self.options.configuration));
        Ok(self.api.list(&only).await?.items.pop())
    }
}

/// All resources and subresources that the API server has; `Some(None)` when it is not sure that these are all, `None`
/// without an answer.
async fn discover(client: &Client, troubles: &Troubles) -> Option<Option<BTreeSet<Known>>> {
    let failed = |trouble, error: &(dyn Error + 'static)| {
        troubles.failed("asking which kinds there are", "apis", trouble, error);
        None
    };
    let asked =
        async { futures::try_join!(client.list_core_api_versions_aggregated(), client.list_api_groups_aggregated()) };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok((core, others))) => {
            let known = known(&core).zip(known(&others));
            if known.is_none() {
                info!("which kinds there are is not known as a whole; webhook rules stay wide");
            }
            Some(known.map(|(mut core, others)| {
                core.extend(others);
                core
            }))
        }
        Ok(Err(error)) => failed(Trouble::of_request(&error), &error),
        Err(elapsed) => failed(Trouble::Unreachable, &elapsed),
    }
}

fn known(list: &APIGroupDiscoveryList) -> Option<BTreeSet<Known>> {
    let mut known = BTreeSet::new();
    for group in &list.items {
        // The core group has no name.
        let name = group.metadata.as_ref().and_then(|metadata| metadata.name.clone()).unwrap_or_default();
        for version in &group.versions {
            if version.freshness.as_deref() == Some("Stale") {
                return None;
            }
            for resource in &version.resources {
                let plural = resource.resource.clone()?;
                let mut add = |resource: &str, kind: Option<&GroupVersionKind>| {
                    let text = |field: Option<&String>| field.cloned().unwrap_or_default();
                    known.insert(Known {
                        group: name.clone(),
                        resource: resource.to_owned(),
                        kind_group: text(kind.and_then(|kind| kind.group.as_ref())),
                        kind: text(kind.and_then(|kind| kind.kind.as_ref())),
                    });
                };
                add(&plural, resource.response_kind.as_ref());
                for sub in &resource.subresources {
                    let path = format!("{plural}/{}", sub.subresource.as_deref()?);
                    add(&path, sub.response_kind.as_ref());
                    sub.accepted_types.iter().for_each(|kind| add(&path, Some(kind)));
                }
            }
        }
    }
    // An API server that does not know this form of answer gives one without items.
    (!known.is_empty()).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovered(list: Value) -> Option<BTreeSet<Known>> {
        known(&serde_json::from_value(list).unwrap())
    }

    fn list(freshness: &str) -> Value {
        json!({"items": [{"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": freshness,
            "resources": [{"resource": "deployments", "responseKind": {"group": "apps", "kind": "Deployment"},
                "subresources": [{"subresource": "scale",
                    "responseKind": {"group": "autoscaling", "kind": "Scale"}}]}]}]}]})
    }

    #[test]
    fn discovery_counts_when_it_is_whole() {
        let found = discovered(list("Current")).unwrap();
        let texts: Vec<String> =
            found.iter().map(|one| format!("{}/{} {}/{}", one.group, one.resource, one.kind_group, one.kind)).collect();
        assert_eq!(texts, ["apps/deployments apps/Deployment", "apps/deployments/scale autoscaling/Scale"]);
        assert_eq!(discovered(list("Stale")), None);
        // What an API server answers that knows the older form alone.
        assert_eq!(discovered(json!({"kind": "APIGroupList", "groups": [{"name": "apps"}]})), None);
    }

    #[test]
    fn what_is_expanded_is_let_through() {
        let entry = |groups: &[&str]| GeneratorKinds {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            versions: vec!["v1".to_owned()],
            kinds: vec!["Deployment".to_owned()],
        };
        let interest = generators(&entry(&["apps"])).unwrap();
        assert_eq!((interest.criteria.kinds.len(), interest.operations.len()), (1, 0));
        assert_eq!(interest.criteria.kinds[0].kinds, ["Deployment"]);
        assert!(generators(&entry(&[])).is_none());
    }

    #[test]
    fn what_cannot_be_read_may_be_about_anything() {
        let constraint = |spec: Value| {
            let object = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "A", "spec": spec});
            criteria(&Object::from_value(object).unwrap())
        };
        let pods = json!({"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}});
        assert_eq!(constraint(pods.clone()).kinds.len(), 1);
        let mut broken = pods;
        broken["match"]["labelSelector"] = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
        assert_eq!(constraint(broken), Match::default());
        assert_eq!(constraint(json!({})), Match::default());
        let template = |targets: Value| {
            let object = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
                "spec": {"targets": targets}});
            operations(&Object::from_value(object).unwrap())
        };
        assert_eq!(template(json!([{"operations": ["CREATE"]}])), ["CREATE"]);
        for wide in [json!([{}]), json!([{"operations": ["*"]}]), json!([{"operations": ["CREATE", 1]}]), json!([])] {
            assert_eq!(template(wide), Vec::<String>::new());
        }
    }
}
