//! How many findings are not reported, and objects not judged, and why.

/// Findings that are not in the report, and objects that were not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Comments and annotations ask for it.
    pub ignored: usize,
    /// The baseline knows them.
    pub known: usize,
    /// Their lines have not changed.
    pub unchanged: usize,
    /// Objects that suites test with, which `admit verify` judges.
    pub samples: usize,
    /// They are mended in the files now.
    pub fixed: usize,
    /// Entries of the baseline that nothing is found for any more.
    pub gone: usize,
}

impl LeftOut {
    /// Lines of a summary; none when there is nothing to tell.
    pub fn lines(&self) -> Vec<String> {
        let counts = [
            (self.known, "known from the baseline"),
            (self.ignored, "ignored by comments"),
            (self.unchanged, "in unchanged lines"),
            (self.fixed, "fixed"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let gone = match self.gone {
            0 => String::new(),
            1 => "1 of the baseline is gone: write it anew".to_owned(),
            many => format!("{many} of the baseline are gone: write it anew"),
        };
        let samples = match self.samples {
            0 => String::new(),
            1 => "1 object of a suite is left to `admit verify`".to_owned(),
            many => format!("{many} objects of suites are left to `admit verify`"),
        };
        [counts, gone, samples].into_iter().filter(|line| !line.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_only_what_is_there() {
        assert!(LeftOut::default().lines().is_empty());
        let left_out = LeftOut { ignored: 1, known: 2, unchanged: 0, samples: 4, fixed: 5, gone: 3 };
        let expected = [
            "2 known from the baseline, 1 ignored by comments, 5 fixed",
            "3 of the baseline are gone: write it anew",
            "4 objects of suites are left to `admit verify`",
        ];
        assert_eq!(left_out.lines(), expected);
    }
}
