//! What can be told about clauses before they run.

use crate::policy::engine::rego::evaluate::plan::{Clause, Index, Operand, Pattern, Step, Target, Template};
use crate::policy::engine::rego::value::Value;

/// An index on the first argument that at least two clauses compare with a constant.
pub(super) fn of_clauses(clauses: &[Clause], constants: &[Value]) -> Option<Index> {
    let arguments = clauses.first()?.inputs.len();
    (0..arguments).find_map(|argument| {
        let wanted: Vec<Option<&Value>> = clauses.iter().map(|clause| constant(clause, argument, constants)).collect();
        let is_worth_it = wanted.iter().flatten().count() >= 2;
        is_worth_it.then(|| table(argument, &wanted))
    })
}

/// All clauses and branches give one and the same constant.
pub(super) fn is_uniform(clauses: &[Clause], constants: &[Value]) -> bool {
    let mut outputs = clauses.iter().flat_map(|clause| &clause.branches).map(|branch| match &*branch.outputs {
        [Template::Operand(Operand::Constant(number))] => constants.get(*number as usize),
        _ => None,
    });
    let Some(Some(first)) = outputs.next() else { return false };
    outputs.all(|output| output == Some(first))
}

/// Evaluating a call costs more than remembering it.
pub(super) fn is_worth_remembering(clauses: &[Clause]) -> bool {
    let steps: usize = clauses.iter().flat_map(|clause| &clause.branches).map(|branch| branch.body.len()).sum();
    steps >= 3
}

fn table(argument: usize, wanted: &[Option<&Value>]) -> Index {
    let mut keys: Vec<&Value> = wanted.iter().flatten().copied().collect();
    keys.sort();
    keys.dedup();
    let clauses_for = |key: Option<&Value>| -> Box<[u32]> {
        let fits = |(_, wanted): &(u32, &Option<&Value>)| wanted.is_none() || **wanted == key;
        (0u32..).zip(wanted).filter(fits).map(|(number, _)| number).collect()
    };
    Index {
        argument,
        table: keys.iter().map(|key| ((*key).clone(), clauses_for(Some(*key)))).collect(),
        rest: clauses_for(None),
    }
}

/// The constant that the argument must equal for the clause to hold.
fn constant<'p>(clause: &Clause, argument: usize, constants: &'p [Value]) -> Option<&'p Value> {
    let slot = match clause.inputs.get(argument)? {
        Pattern::Equal(Operand::Constant(number)) => return constants.get(*number as usize),
        Pattern::Bind(slot) => *slot,
        _ => return None,
    };
    let [branch] = &*clause.branches else { return None };
    branch.body.iter().find_map(|step| match step {
        Step::Match { value: Operand::Slot(read), target: Target::Equal(Operand::Constant(number)) }
        | Step::Match { value: Operand::Constant(number), target: Target::Equal(Operand::Slot(read)) }
            if *read == slot =>
        {
            constants.get(*number as usize)
        }
        _ => None,
    })
}
