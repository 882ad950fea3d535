//! What each segment is, and which algorithm drew it (PS3.3 C.8.20.4).

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::{
    Model,
    elements::{
        Item, LONG_STRING, SHORT_TEXT, code, item, parts, printable, sequence, shorts, text, uid,
    },
    identity::Lineage,
};
use crate::{dicom::codes, model::SegmentSpec};

/// The items of SegmentSequence, numbered from 1 in the order given.
pub(super) fn items(
    segments: &[SegmentSpec],
    model: &Model<'_>,
    configuration_digest: &str,
    lineage: &Lineage<'_>,
) -> Vec<Item> {
    let algorithm = algorithm(model, configuration_digest);
    let name = printable(&format!("{} {}", model.name, model.version), LONG_STRING);
    let numbered = (1_u16..).zip(segments);
    numbered
        .map(|(number, spec)| {
            let label = printable(&spec.label, LONG_STRING);
            let mut segment = item([
                shorts(tags::SEGMENT_NUMBER, &[number]),
                text(tags::SEGMENT_LABEL, VR::LO, &label),
                text(tags::SEGMENT_DESCRIPTION, VR::ST, DESCRIPTION),
                text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC"),
                text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &name),
                sequence(
                    tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE,
                    vec![algorithm.clone()],
                ),
                code(
                    tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
                    parts(&spec.category),
                ),
                code(
                    tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE,
                    parts(&spec.property_type),
                ),
                shorts(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &spec.cielab),
                text(tags::TRACKING_ID, VR::UT, &label),
                uid(tags::TRACKING_UID, &lineage.tracking(&spec.label)),
            ]);
            if let Some(region) = &spec.anatomic_region {
                segment.put(code(tags::ANATOMIC_REGION_SEQUENCE, parts(region)));
            }
            segment
        })
        .collect()
}

/// Who measures the liver must know that it lacks its tumours (SegmentsOverlap NO).
const DESCRIPTION: &str = "Drawn by AI, not for diagnosis. No voxel is in two segments.";

/// The Algorithm Identification macro (PS3.3 §10.16).
fn algorithm(model: &Model<'_>, configuration_digest: &str) -> Item {
    let parameters = format!(
        "bundle sha256 {}, configuration {configuration_digest}",
        model.digest
    );
    item([
        code(
            tags::ALGORITHM_FAMILY_CODE_SEQUENCE,
            codes::ARTIFICIAL_INTELLIGENCE,
        ),
        text(
            tags::ALGORITHM_NAME,
            VR::LO,
            &printable(model.name, LONG_STRING),
        ),
        text(
            tags::ALGORITHM_VERSION,
            VR::LO,
            &printable(model.version, LONG_STRING),
        ),
        text(
            tags::ALGORITHM_PARAMETERS,
            VR::LT,
            &printable(&parameters, SHORT_TEXT),
        ),
    ])
}
