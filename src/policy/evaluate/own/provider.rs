//! Requests about Providers: what Gatekeeper refuses, in its words, one mistake at a time.

use super::{Passed, Refusal, user};
use crate::model::object::Object;
use crate::policy::snapshot::check_provider;

/// With 0 seconds no answer comes in time.
const NO_TIME: &str = "spec.timeout of this Provider is 0 seconds: every question to it fails; set it to 1 or more";

pub(super) fn check(object: &Object, is_new: bool) -> Result<Passed, Refusal> {
    match check_provider(object) {
        Ok(provider) => {
            let warnings = (is_new && provider.timeout_seconds == 0).then(|| NO_TIME.to_owned());
            Ok(Passed { warnings: warnings.into_iter().collect(), ..Passed::default() })
        }
        Err(errors) => Err(user(errors.into_iter().next().map(|error| error.message).unwrap_or_default())),
    }
}
