//! Which frames a segmentation has.
//!
//! A frame is one segment in one source slice. Each segment gets every slice from its first to its
//! last, empty ones included: viewers that shift a mask over a hole along z do it where frames are
//! left out inside a segment (OHIF/Viewers#2833). Slices outside a segment's extent are left out.

use crate::mask::{LabelSlice, Labels};

/// One frame: indices into the segments and into the slices of the stack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    pub(super) segment: usize,
    pub(super) slice: usize,
}

/// The frames of `values` (one label value a segment) in their order: by segment, then along the
/// normal. Never none: where nothing at all was found, the first segment has every slice, empty,
/// because an object must have a frame and "we looked and found nothing" is an answer.
pub(super) fn plan(labels: &Labels, values: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (segment, value) in values.iter().enumerate() {
        let carries = |slice: &LabelSlice| slice.count(*value) > 0;
        let Some(first) = labels.slices.iter().position(carries) else {
            continue;
        };
        let last = labels.slices.iter().rposition(carries).unwrap_or(first);
        frames.extend((first..=last).map(|slice| Frame { segment, slice }));
    }
    if frames.is_empty() {
        let every = 0..labels.slices.len();
        frames.extend(every.map(|slice| Frame { segment: 0, slice }));
    }
    frames
}

/// For every slice its rank among the slices that have a frame, from 1; 0 if it has none.
/// The second dimension index: without gaps, however the segments lie.
pub(super) fn ranks(frames: &[Frame], slices: usize) -> Vec<u32> {
    let mut ranks = vec![0; slices];
    for frame in frames {
        ranks[frame.slice] = 1;
    }
    let mut rank = 0;
    for used in ranks.iter_mut().filter(|used| **used == 1) {
        rank += 1;
        *used = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    /// Slices of two voxels with the labels named.
    fn labels(slices: &[[u8; 2]]) -> Labels {
        let slices = slices.iter();
        slices
            .map(|voxels| Array2::from_shape_vec((1, 2), voxels.to_vec()).unwrap())
            .collect()
    }

    fn pairs(frames: &[Frame]) -> Vec<(usize, usize)> {
        frames.iter().map(|f| (f.segment, f.slice)).collect()
    }

    #[test]
    fn a_segment_keeps_the_empty_slices_inside_its_extent_and_only_those() {
        let labels = labels(&[[0, 0], [1, 2], [0, 0], [1, 1], [0, 2], [0, 0]]);
        let frames = plan(&labels, &[1, 2]);
        let (liver, tumour) = ([(0, 1), (0, 2), (0, 3)], [(1, 1), (1, 2), (1, 3), (1, 4)]);
        assert_eq!(pairs(&frames), [&liver[..], &tumour[..]].concat());
        assert_eq!(ranks(&frames, 6), [0, 1, 2, 3, 4, 0]);
    }

    #[test]
    fn ranks_have_no_gap_where_no_segment_has_a_frame() {
        let labels = labels(&[[1, 0], [0, 0], [2, 0]]);
        let frames = plan(&labels, &[1, 2]);
        assert_eq!(pairs(&frames), [(0, 0), (1, 2)]);
        assert_eq!(ranks(&frames, 3), [1, 0, 2]);
    }

    #[test]
    fn nothing_found_gives_empty_frames_of_the_first_segment() {
        let frames = plan(&labels(&[[0, 0], [0, 0]]), &[1, 2]);
        assert_eq!(pairs(&frames), [(0, 0), (0, 1)]);
        assert_eq!(ranks(&frames, 2), [1, 2]);
    }
}
