//! Some slices of a complete series go through the network once more, moved, to see whether it
//! finds the same organ again.
//!
//! Only slices of the finished mask are worth asking about, so this comes after the last one and the
//! result waits for it: for a handful of slices, however long the series is.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    engine_room::SliceError,
    finish::{Complete, EncodedSlice},
};
use crate::{
    engine::{Engine, EngineError, preprocess},
    mask::{Agreement, Labels, LogOdds, shift, slices_to_look_at_again},
    model::{InputContract, OutputContract},
    series::InstanceHeader,
    volume::{FrameSource, Stack},
};

/// How much of the organ is found again, as Dice; `None` where there is none, or where the bundle
/// does not ask. `slices` are in the order of the stack.
pub(super) fn agreement(
    complete: &Complete<'_>,
    stack: &Stack,
    slices: &[&EncodedSlice],
    labels: &Labels,
) -> Result<Option<f64>, SliceError> {
    let manifest = &complete.bundle.manifest;
    if manifest.gates.organ_agreement.is_none() {
        return Ok(None);
    }
    let mut looks = Vec::new();
    for slice in slices_to_look_at_again(labels) {
        let place = &stack.order[slice];
        let header = complete.headers.iter();
        let mut header = header.filter(|header| header.sop_instance == place.sop_instance);
        let Some(header) = header.next().cloned() else {
            continue;
        };
        let again = Again {
            file: (complete.file)(&place.sop_instance)?,
            frame: place.frame,
            input: manifest.input.clone(),
            output: manifest.output.clone(),
            header,
        };
        let series = again.header.series.clone();
        let look = move |engine: &mut dyn Engine| {
            let looked = catch_unwind(AssertUnwindSafe(|| again.look(engine)));
            looked.unwrap_or(Err(SliceError::Panicked))
        };
        let pending = complete.workers.submit(&series, complete.urgency, look);
        looks.push((slices[slice], pending));
    }
    let mut agreement = Agreement::default();
    for (first, pending) in looks {
        let moved = pending
            .blocking_recv()
            .map_err(|_| EngineError::Stopped)??;
        if let Some(moved) = moved {
            let first = first.log_odds.get()?;
            agreement.add(&first, &moved, shift(manifest.output.stride));
        }
    }
    Ok(agreement.dice())
}

/// One slice to be looked at again, with all that this takes.
struct Again {
    file: Arc<Vec<u8>>,
    header: InstanceHeader,
    frame: usize,
    input: InputContract,
    output: OutputContract,
}

impl Again {
    /// What the network finds where the slice is moved; `None` for a frame without a plane, which
    /// no stack holds.
    fn look(&self, engine: &mut dyn Engine) -> Result<Option<LogOdds>, SliceError> {
        let plane = self.header.frames.get(self.frame);
        let Some(plane) = plane.and_then(|frame| frame.plane) else {
            return Ok(None);
        };
        let slice = FrameSource::open(&self.file, &self.header)?.frame(self.frame)?;
        let (image, _) = preprocess(&slice, &plane, &self.input);
        let stride = self.output.stride;
        let moved = image.moved(shift(stride).map(|pixels| pixels * stride));
        let logits = engine.predict(&moved)?.logits;
        Ok(Some(LogOdds::of(&logits, &self.output.temperature)))
    }
}
