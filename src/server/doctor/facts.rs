//! What was read from the cluster, and what could not be.

use std::collections::BTreeMap;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::{Finding, Severity};
use crate::model::object::Object;

/// What was read, or that it could not be.
pub(in crate::server) type Asked<T> = Result<T, Unread>;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Unread {
    /// What was asked for: `nodes`, `Secret admit-system/x`.
    pub(in crate::server) what: String,
    /// What the API server said.
    pub(in crate::server) why: String,
}

impl Unread {
    /// Its finding.
    pub(super) fn finding(&self) -> Finding {
        Finding {
            severity: Severity::NotChecked,
            check: "unreadable",
            object: self.what.clone(),
            field: String::new(),
            found: format!("could not be read: {}", self.why),
            why: "what depends on it was not checked".to_owned(),
            help: format!("run admit doctor as a user who may get and list: {}", self.what),
        }
    }
}

/// What webhooks and namespaces are called here.
#[derive(Clone, Debug)]
pub struct DoctorNames {
    /// Where admit runs, when no webhook configuration says so.
    pub namespace: String,
    /// Its ValidatingWebhookConfiguration.
    pub validating: String,
    /// Its MutatingWebhookConfiguration.
    pub mutating: String,
    /// Where the canary is created, as a dry run.
    pub canary_namespace: String,
}

/// A Service: namespace and name.
pub(in crate::server) type ServiceName = (String, String);

/// All that checks look at.
#[derive(Debug)]
pub(in crate::server) struct Facts {
    /// Seconds since 1970.
    pub(in crate::server) now: i64,
    pub(in crate::server) names: DoctorNames,
    pub(in crate::server) validating: Asked<Vec<Object>>,
    pub(in crate::server) mutating: Asked<Vec<Object>>,
    pub(in crate::server) namespaces: Asked<Vec<Object>>,
    pub(in crate::server) nodes: Asked<Vec<Object>>,
    /// `gitVersion` of the API server.
    pub(in crate::server) version: String,
    /// The Services that webhooks name.
    pub(in crate::server) services: BTreeMap<ServiceName, ServiceFacts>,
    /// The Secret with the certificate of admit's own Service; not looked for without one.
    pub(in crate::server) secret: Option<Asked<Option<Object>>>,
    /// What answers at `host:port`, for webhooks with a URL.
    pub(in crate::server) served: BTreeMap<String, Served>,
    /// Templates and constraints.
    pub(in crate::server) policies: Vec<Asked<Vec<Object>>>,
    pub(in crate::server) canary: Canary,
}

/// A Service and what is behind it.
#[derive(Debug)]
pub(in crate::server) struct ServiceFacts {
    pub(in crate::server) service: Asked<Option<Object>>,
    pub(in crate::server) slices: Asked<Vec<Object>>,
    /// Those that it selects.
    pub(in crate::server) pods: Asked<Vec<Object>>,
    /// All in its namespace.
    pub(in crate::server) budgets: Asked<Vec<Object>>,
}

/// The certificates that a server shows, its own first; or why there was no handshake.
pub(in crate::server) type Served = Result<Vec<CertificateDer<'static>>, String>;

/// What became of the canary.
#[derive(Clone, Debug)]
pub(in crate::server) struct Canary {
    pub(in crate::server) took: Duration,
    /// The error: HTTP status (0 when there was no answer) and message.
    pub(in crate::server) outcome: Result<(), (u16, String)>,
}

impl Facts {
    /// All that could not be read.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Unread> {
        let lists = [&self.validating, &self.mutating, &self.namespaces, &self.nodes];
        let lists = lists.into_iter().chain(&self.policies).filter_map(|asked| asked.as_ref().err());
        let services = self.services.values().flat_map(ServiceFacts::unread);
        lists.chain(services).chain(self.secret.iter().filter_map(|asked| asked.as_ref().err()))
    }

    /// A Namespace by its name, when it is known.
    pub(super) fn namespace(&self, name: &str) -> Option<&Object> {
        self.namespaces.iter().flatten().find(|namespace| namespace.name() == name)
    }
}

impl ServiceFacts {
    fn unread(&self) -> impl Iterator<Item = &Unread> {
        let lists = [&self.slices, &self.pods, &self.budgets];
        self.service.as_ref().err().into_iter().chain(lists.into_iter().filter_map(|asked| asked.as_ref().err()))
    }
}
