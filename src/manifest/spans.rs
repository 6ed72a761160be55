//! Where the parts of a document stand, found out when somebody asks: [`Spans`].
//!
//! Nobody asks about most documents, and the places of one take more memory than its text. So they may be forgotten; when
//! they are wanted after that, the text is read once more. It is the same text, so it gives the same places.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::parse::read_segment;
use super::source::Source;
use super::span_tree::SpanTree;
use super::split;
use crate::model::object::Segment;

/// The places of a document, or the way to them.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    written: Arc<Written>,
    /// The way from what is written to this document, for an item of a list.
    path: Vec<Segment>,
    tree: OnceLock<SpanTree>,
}

/// What stands in the text: one document, or a list of several.
#[derive(Debug)]
struct Written {
    /// The bytes of its segment.
    bytes: Range<usize>,
    lines_above: u32,
    /// Which one it is of the segment's documents.
    index: usize,
    /// Read again, for all items of a list.
    again: OnceLock<SpanTree>,
}

impl Spans {
    /// Of the document of this number in a segment.
    pub(super) fn new(segment: &split::Segment<'_>, index: usize, tree: Option<SpanTree>) -> Self {
        let bytes = segment.start..segment.start + segment.text.len();
        let written = Written { bytes, lines_above: segment.lines_above, index, again: OnceLock::new() };
        let known = tree.map(OnceLock::from).unwrap_or_default();
        Self { written: Arc::new(written), path: Vec::new(), tree: known }
    }

    /// The places. The source is the one that the document was read from.
    pub(super) fn tree(&self, source: &Source) -> &SpanTree {
        self.tree.get_or_init(|| {
            let whole = self.written.again.get_or_init(|| self.written.read(source).unwrap_or_default());
            whole.below(&self.path).unwrap_or_default()
        })
    }

    /// Those of a part.
    pub(super) fn below(&self, path: &[Segment], source: &Source) -> Option<Self> {
        let tree = self.tree(source).below(path)?;
        let path = [self.path.as_slice(), path].concat();
        Some(Self { written: Arc::clone(&self.written), path, tree: tree.into() })
    }

    /// The bytes of the segment, the lines above it, the number of the document in it, and the way from there.
    pub(super) fn written(&self) -> (Range<usize>, u32, usize, &[Segment]) {
        (self.written.bytes.clone(), self.written.lines_above, self.written.index, &self.path)
    }

    /// Keeps the way only.
    pub(super) fn forget(&mut self) {
        self.tree = OnceLock::new();
    }
}

impl Written {
    fn read(&self, source: &Source) -> Option<SpanTree> {
        let text = source.text().get(self.bytes.clone())?;
        let segment = split::Segment { text, start: self.bytes.start, lines_above: self.lines_above };
        read_segment(&segment, source, true).ok()?.into_iter().nth(self.index)?.places
    }
}
