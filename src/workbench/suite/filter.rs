//! `--run`: which tests and cases to run.

use regex::Regex;
use thiserror::Error;

use crate::model::go_regex;

/// Regular expressions for names; both are found anywhere in a name.
#[derive(Clone, Debug, Default)]
pub enum Filter {
    /// Everything.
    #[default]
    All,
    /// What has a match in the test's name or in the case's.
    Either(Regex),
    /// What has one match in the test's name and the other in the case's.
    Both(Regex, Regex),
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// More than one separator.
    #[error("invalid test filter: a filter may include at most one \"//\"")]
    TooManyParts,
    /// Not a regular expression.
    #[error("invalid test filter: {reason}")]
    Pattern {
        /// What is wrong with it.
        reason: String,
    },
}

impl Filter {
    /// Reads `name`, `test//case`, or nothing.
    ///
    /// # Errors
    /// When there is more than one `//`, or a part is no regular expression.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let compile = |text: &str| go_regex::compile(text).map_err(|reason| FilterError::Pattern { reason });
        match *text.split("//").collect::<Vec<_>>().as_slice() {
            [""] => Ok(Self::All),
            [either] => Ok(Self::Either(compile(either)?)),
            [test, case] => Ok(Self::Both(compile(test)?, compile(case)?)),
            _ => Err(FilterError::TooManyParts),
        }
    }

    /// Whether a test is to be run, perhaps without some of its cases.
    pub(super) fn includes_test<'a>(&self, test: &str, mut cases: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::All => true,
            Self::Either(pattern) => pattern.is_match(test) || cases.any(|case| pattern.is_match(case)),
            Self::Both(pattern, _) => pattern.is_match(test),
        }
    }

    /// Whether a case of a test that is to be run is to be run.
    pub(super) fn includes_case(&self, test: &str, case: &str) -> bool {
        match self {
            Self::All => true,
            Self::Either(pattern) => pattern.is_match(test) || pattern.is_match(case),
            Self::Both(_, pattern) => pattern.is_match(case),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the cases `one/alpha`, `one/beta` and `two/alpha` are run.
    #[track_caller]
    fn check(filter: &str, expected: &[&str]) {
        let filter = Filter::parse(filter).unwrap();
        let mut run = Vec::new();
        for (test, cases) in [("one", &["alpha", "beta"][..]), ("two", &["alpha"])] {
            if filter.includes_test(test, cases.iter().copied()) {
                let cases = cases.iter().filter(|case| filter.includes_case(test, case));
                run.extend(cases.map(|case| format!("{test}/{case}")));
            }
        }
        assert_eq!(run, expected);
    }

    #[test]
    fn selects_by_name() {
        check("", &["one/alpha", "one/beta", "two/alpha"]);
        check("//", &["one/alpha", "one/beta", "two/alpha"]);
        check("alp", &["one/alpha", "two/alpha"]);
        check("^one$", &["one/alpha", "one/beta"]);
        check("one//", &["one/alpha", "one/beta"]);
        check("one//a$", &["one/alpha", "one/beta"]);
        check("//^alpha$", &["one/alpha", "two/alpha"]);
        check("two//beta", &[]);
    }

    #[test]
    fn refuses_what_is_no_filter() {
        let message = |text| Filter::parse(text).unwrap_err().to_string();
        assert_eq!(message("a//b//c"), "invalid test filter: a filter may include at most one \"//\"");
        assert_eq!(message("x//a["), "invalid test filter: error parsing regexp: missing closing ]: `[`");
    }
}
