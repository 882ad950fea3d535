//! The UIDs of what we make.
//!
//! They are computed, never drawn: a result made again after a crash is the same instance, and a
//! PACS that already has it says so instead of keeping two. One more slice makes another instance,
//! in the same series, so that what it supersedes is found beside it.

use super::{SegInput, source_slices::SourceSlice};
use crate::dicom::Uid;

/// What a result was made from and by. Content dates and file names are no part of it.
pub(super) struct Lineage<'a> {
    source_series: &'a Uid,
    bundle_digest: &'a str,
    configuration_digest: &'a str,
    /// Sorted, each once.
    instances: Vec<&'a str>,
}

impl<'a> Lineage<'a> {
    /// The series, the instances that have a slice in the stack, the model, the configuration.
    pub(super) fn of(input: &SegInput<'a>, slices: &[SourceSlice<'a>]) -> Self {
        Self::new(
            &slices[0].instance.series,
            slices.iter().map(|slice| &slice.instance.sop_instance),
            input.model.digest,
            input.configuration_digest,
        )
    }

    fn new(
        source_series: &'a Uid,
        instances: impl Iterator<Item = &'a Uid>,
        bundle_digest: &'a str,
        configuration_digest: &'a str,
    ) -> Self {
        let mut instances: Vec<&str> = instances.map(Uid::as_str).collect();
        instances.sort_unstable();
        instances.dedup();
        Self {
            source_series,
            bundle_digest,
            configuration_digest,
            instances,
        }
    }

    /// The series that results of this kind go into, whichever slices they were made from.
    pub(super) fn series(&self, kind: &str) -> Uid {
        Uid::derived(&format!("{kind} series"), &self.maker())
    }

    /// One result, or what else there is one of for each result.
    pub(super) fn instance(&self, kind: &str) -> Uid {
        let mut parts = self.maker().to_vec();
        parts.extend(&self.instances);
        Uid::derived(kind, &parts)
    }

    /// A thing in the patient that is followed from result to result: `what` names it. The same
    /// whoever found it.
    pub(super) fn tracking(&self, what: &str) -> Uid {
        Uid::derived("tracked", &[self.source_series.as_str(), what])
    }

    fn maker(&self) -> [&str; 3] {
        [
            self.source_series.as_str(),
            self.bundle_digest,
            self.configuration_digest,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage<'a>(series: &'a Uid, instances: &'a [Uid], bundle: &'a str) -> Lineage<'a> {
        Lineage::new(series, instances.iter(), bundle, "configuration")
    }

    #[test]
    fn one_more_slice_makes_another_instance_in_the_same_series() {
        let uids = ["1.2.1", "1.2.2", "1.2.3"].map(|uid| Uid::parse(uid).unwrap());
        let source = Uid::parse("1.2").unwrap();
        let (all, fewer) = (
            lineage(&source, &uids, "b"),
            lineage(&source, &uids[..2], "b"),
        );
        assert_eq!(all.series("segmentation"), fewer.series("segmentation"));
        assert_ne!(all.instance("segmentation"), fewer.instance("segmentation"));
        assert_eq!(all.tracking("Liver"), fewer.tracking("Liver"));
    }

    #[test]
    fn the_order_of_arrival_does_not_matter_but_the_model_does() {
        let uids = ["1.2.1", "1.2.2", "1.2.3"].map(|uid| Uid::parse(uid).unwrap());
        let mut turned = uids.clone();
        turned.reverse();
        let source = Uid::parse("1.2").unwrap();
        let made = lineage(&source, &uids, "b").instance("segmentation");
        assert_eq!(
            lineage(&source, &turned, "b").instance("segmentation"),
            made
        );
        assert_ne!(lineage(&source, &uids, "c").instance("segmentation"), made);
        assert_ne!(lineage(&source, &uids, "b").instance("report"), made);
    }
}
