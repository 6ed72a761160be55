//! What a comment asks for: `admit:ignore RULE[,RULE] until=2027-01-01 reason=words to the end of the line`.

use jiff::civil::Date;

/// What every comment begins with that is meant for admit.
pub(super) const MARK: &str = "admit:";
const VERB: &str = "ignore";
const OPTIONS: [&str; 2] = ["until", "reason"];
const EXPECTED: &str = "expected `admit:ignore RULE[,RULE] [until=YYYY-MM-DD] reason=WORDS`";

/// A request to leave findings out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// At least one: a kind of constraint, `Kind/name`, a code, or `*`.
    pub(super) rules: Vec<String>,
    /// The last day on which it counts.
    pub(super) until: Option<Date>,
    /// Why; without one it does not count.
    pub(super) reason: Option<String>,
}

/// Reads the text of a comment, without its `#`. `None` when it speaks of something else; what is wrong with it when it is
/// meant for admit and cannot be understood.
pub(super) fn of_comment(text: &str) -> Option<Result<Directive, String>> {
    let rest = behind_mark(text)?;
    let words = rest.trim_start();
    let end = words.find(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    let (verb, arguments) = words.split_at_checked(end.unwrap_or(words.len())).unwrap_or_default();
    if verb == VERB {
        return Some(parse(arguments));
    }
    // With a blank behind the colon it may be prose.
    let is_prose = words.len() < rest.len() || verb.is_empty();
    (!is_prose).then(|| Some(Err(format!("found `{MARK}{verb}`, {EXPECTED}"))))?
}

/// The text behind the mark that a comment starts with, or a comment in the comment: `# yamllint … # admit:ignore …`.
fn behind_mark(text: &str) -> Option<&str> {
    let is_start = |offset: usize| {
        let before = text.get(..offset).unwrap_or_default().trim_end();
        before.is_empty() || before.ends_with('#')
    };
    let (offset, _) = text.match_indices(MARK).find(|(offset, _)| is_start(*offset))?;
    text.get(offset + MARK.len()..)
}

/// Reads what follows `admit:ignore`.
pub(super) fn parse(text: &str) -> Result<Directive, String> {
    if text.starts_with(|character: char| !character.is_whitespace()) {
        return Err(format!("found {:?} behind `{MARK}{VERB}`, {EXPECTED}", shown(text)));
    }
    let (names, mut options) = text.split_at_checked(first_option(text)).unwrap_or((text, ""));
    let mut directive = Directive { rules: rules(names)?, until: None, reason: None };
    while !options.is_empty() {
        let (key, value) = options.split_once('=').unwrap_or((options, ""));
        if key == "reason" {
            let reason = value.trim();
            directive.reason = (!reason.is_empty()).then(|| reason.to_owned());
            break;
        }
        let end = value.find(char::is_whitespace).unwrap_or(value.len());
        let (value, rest) = value.split_at_checked(end).unwrap_or_default();
        if key != "until" {
            let nearest = OPTIONS.iter().min_by_key(|known| strsim::damerau_levenshtein(key, known));
            return Err(format!("found `{key}=`, did you mean `{}=`?", nearest.unwrap_or(&"reason")));
        }
        if directive.until.replace(date(value)?).is_some() {
            return Err("found a second `until=`, expected one".to_owned());
        }
        options = rest.trim_start();
        let word = options.split_whitespace().next().unwrap_or_default();
        if !word.is_empty() && !is_option(word) {
            return Err(format!("found {word:?} behind `until=`, expected `reason=` or the end of the line"));
        }
    }
    Ok(directive)
}

/// Where the first word with `=` stands.
fn first_option(text: &str) -> usize {
    let starts = text.split_whitespace().find(|word| is_option(word));
    // Words are parts of the text, so that their distance is their place.
    starts.map_or(text.len(), |word| (word.as_ptr() as usize).saturating_sub(text.as_ptr() as usize))
}

fn is_option(word: &str) -> bool {
    let key = word.split_once('=').map(|(key, _)| key);
    key.is_some_and(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn rules(text: &str) -> Result<Vec<String>, String> {
    let rule = |name: &str| {
        let name = name.trim();
        match name.split_whitespace().nth(1) {
            _ if name.is_empty() => Err(format!("found no rule to ignore, {EXPECTED}; `*` stands for all")),
            Some(second) => {
                let second = shown(second);
                Err(format!("found {second:?} behind the rule, expected a comma, `until=` or `reason=`"))
            }
            None => Ok(name.to_owned()),
        }
    };
    text.split(',').map(rule).collect()
}

fn date(text: &str) -> Result<Date, String> {
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2027-01-01".len());
    date.ok_or_else(|| format!("found until={:?}, expected a day such as 2027-01-01", shown(text)))
}

/// So much of it as a message can bear.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, rules: &[&str], until: Option<&str>, reason: Option<&str>) {
        let found = of_comment(text).unwrap().unwrap();
        assert_eq!(found.rules, rules);
        assert_eq!(found.until.map(|until| until.to_string()).as_deref(), until);
        assert_eq!(found.reason.as_deref(), reason);
    }

    #[test]
    fn reads_rules_a_day_and_a_reason() {
        check("admit:ignore A reason=b", &["A"], None, Some("b"));
        check(" admit:ignore A/x, B,* until=2027-01-31 reason= b=c # d ", &["A/x", "B", "*"], Some("2027-01-31"), {
            Some("b=c # d")
        });
        check("admit: ignore A until=2027-01-31", &["A"], Some("2027-01-31"), None);
        check("yamllint disable # admit:ignore A reason=", &["A"], None, None);
        check("admit:ignore A reason=until=2020-01-01", &["A"], None, Some("until=2020-01-01"));
    }

    #[test]
    fn leaves_prose_alone() {
        for text in ["", "admit", "see admit:ignore", "admit: the tool", "admit:", "http://admit:80", "admit:/x"] {
            assert_eq!(of_comment(text), None, "{text:?}");
        }
    }

    #[test]
    fn tells_what_is_wrong() {
        for (text, expected) in [
            ("admit:ingore A reason=x", "found `admit:ingore`, expected `admit:ignore"),
            ("admit:ignore", "found no rule to ignore"),
            ("admit:ignore reason=x", "found no rule to ignore"),
            ("admit:ignore A,,B reason=x", "found no rule to ignore"),
            ("admit:ignore A B reason=x", "found \"B\" behind the rule, expected a comma"),
            ("admit:ignore A because=x", "found `because=`, did you mean"),
            ("admit:ignore A untill=2027-01-01", "did you mean `until=`?"),
            ("admit:ignore A until=2027-02-30 reason=x", "expected a day such as 2027-01-01"),
            ("admit:ignore A until=20270201 reason=x", "expected a day such as 2027-01-01"),
            ("admit:ignore A until=tomorrow", "expected a day such as 2027-01-01"),
            ("admit:ignore A until=2027-01-01 until=2027-01-02", "found a second `until=`"),
            ("admit:ignore A until=2027-01-01 old", "found \"old\" behind `until=`"),
            ("admit:ignore: A reason=x", "found \": A reason=x\" behind `admit:ignore`"),
        ] {
            let error = of_comment(text).unwrap().unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,60}", tail in "(admit:|ignore|until=|reason=|2027-01-01|[ ,=#*/\u{a0}é]|A){0,14}") {
            let _ = of_comment(&text);
            if let Some(Ok(directive)) = of_comment(&tail) {
                prop_assert!(!directive.rules.is_empty());
                prop_assert!(directive.rules.iter().all(|rule| !rule.is_empty() && !rule.contains([',', ' '])));
            }
            let _ = parse(&text);
        }

        #[test]
        fn reads_back_what_was_written(
            rules in prop::collection::vec("[A-Za-z0-9]{1,9}(/[a-z0-9.-]{1,9})?|\\*", 1..4),
            day in prop::option::of((1970_i16..2100, 1_i8..13, 1_i8..29)),
            reason in "[a-zA-Z=#,]( ?[a-zA-Z0-9=#,é]){0,20}",
        ) {
            let until = day.map(|(year, month, day)| jiff::civil::date(year, month, day));
            let words = until.map(|until| format!("until={until} ")).unwrap_or_default();
            let text = format!("admit:ignore {} {words}reason={reason}", rules.join(", "));
            prop_assert_eq!(of_comment(&text), Some(Ok(Directive { rules, until, reason: Some(reason) })));
        }
    }
}
