//! The source frames under a result, in the order of their stack.

use std::collections::{HashMap, HashSet};

use super::EncodeError;
use crate::{
    dicom::{
        Plane, Uid,
        sop_class::{self, SopClassRole},
    },
    series::{FrameHeader, InstanceHeader},
    volume::Stack,
};

/// One frame of the stack: where its labels are drawn.
pub(super) struct SourceSlice<'a> {
    pub(super) instance: &'a InstanceHeader,
    pub(super) frame: &'a FrameHeader,
    pub(super) plane: &'a Plane,
    /// From 1; `None` where the instance is not multi-frame.
    pub(super) frame_number: Option<usize>,
}

/// Looks up what the stack names; at least one slice.
pub(super) fn source_slices<'a>(
    stack: &Stack,
    headers: &'a [InstanceHeader],
) -> Result<Vec<SourceSlice<'a>>, EncodeError> {
    let by_instance: HashMap<&Uid, &InstanceHeader> = headers
        .iter()
        .map(|header| (&header.sop_instance, header))
        .collect();
    let slices = stack.order.iter().map(|place| {
        let no_plane = || EncodeError::NoPlane {
            instance: place.sop_instance.clone(),
            frame: place.frame,
        };
        let instance = *by_instance.get(&place.sop_instance).ok_or_else(no_plane)?;
        let frame = instance.frames.get(place.frame).ok_or_else(no_plane)?;
        let multi_frame = sop_class::role(&instance.sop_class) == SopClassRole::EnhancedCt
            || instance.frames.len() > 1;
        Ok(SourceSlice {
            instance,
            frame,
            plane: frame.plane.as_ref().ok_or_else(no_plane)?,
            frame_number: multi_frame.then_some(place.frame + 1),
        })
    });
    let slices = slices.collect::<Result<Vec<_>, _>>()?;
    if slices.is_empty() {
        return Err(EncodeError::NoSlices);
    }
    Ok(slices)
}

/// Every instance that has a slice in the stack, once, in the stack's order.
pub(super) fn instances<'a>(
    slices: &[SourceSlice<'a>],
) -> impl Iterator<Item = &'a InstanceHeader> {
    let mut seen = HashSet::new();
    let all = slices.iter().map(|slice| slice.instance);
    all.filter(move |instance| seen.insert(&instance.sop_instance))
}
