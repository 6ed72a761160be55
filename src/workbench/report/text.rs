//! One line a violation: `v1/Pod shop/web: ["limits"] Message: "container <app> has no memory limit"`.

use crate::model::object::quote;
use crate::workbench::judge::Judgement;

pub(super) fn render(judgements: &[Judgement]) -> String {
    judgements.iter().map(line).collect()
}

fn line(judgement: &Judgement) -> String {
    let object = &judgement.object.object;
    let violation = &judgement.violation;
    format!(
        "{}: [{}] Message: {}\n",
        object.key(),
        quote(violation.constraint.constraint.name()),
        quote(&violation.message)
    )
}
