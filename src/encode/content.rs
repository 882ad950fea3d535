//! Content items of a structured report (PS3.3 C.17.3): the words a report tree is built from.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::elements::{Item, code, item, reference, sequence, shorts, text};
use crate::dicom::Uid;

/// A concept: code value, coding scheme designator, meaning.
pub(super) type Concept<'a> = (&'a str, &'a str, &'a str);

/// How an item belongs to the one above it.
#[derive(Clone, Copy)]
pub(super) enum As {
    Contains,
    HasConceptModifier,
    HasObservationContext,
}

impl As {
    fn term(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::HasConceptModifier => "HAS CONCEPT MOD",
            Self::HasObservationContext => "HAS OBS CONTEXT",
        }
    }
}

fn content(relation: As, value_type: &str, name: Concept<'_>) -> Item {
    item([
        text(tags::RELATIONSHIP_TYPE, VR::CS, relation.term()),
        text(tags::VALUE_TYPE, VR::CS, value_type),
        code(tags::CONCEPT_NAME_CODE_SEQUENCE, name),
    ])
}

fn with(mut content: Item, tag: Tag, vr: VR, value: &str) -> Item {
    content.put(text(tag, vr, value));
    content
}

/// CODE: a coded answer.
pub(super) fn coded(relation: As, name: Concept<'_>, answer: Concept<'_>) -> Item {
    let mut content = content(relation, "CODE", name);
    content.put(code(tags::CONCEPT_CODE_SEQUENCE, answer));
    content
}

/// TEXT: words, already printable.
pub(super) fn worded(relation: As, name: Concept<'_>, words: &str) -> Item {
    with(
        content(relation, "TEXT", name),
        tags::TEXT_VALUE,
        VR::UT,
        words,
    )
}

/// UIDREF: a unique identifier.
pub(super) fn identified(relation: As, name: Concept<'_>, value: &Uid) -> Item {
    with(
        content(relation, "UIDREF", name),
        tags::UID,
        VR::UI,
        value.as_str(),
    )
}

/// NUM: a measured value, `number` as a decimal string.
pub(super) fn measured(name: Concept<'_>, number: &str, unit: Concept<'_>) -> Item {
    let mut content = content(As::Contains, "NUM", name);
    let value = item([
        text(tags::NUMERIC_VALUE, VR::DS, number),
        code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit),
    ]);
    content.put(sequence(tags::MEASURED_VALUE_SEQUENCE, vec![value]));
    content
}

/// IMAGE: one segment of a segmentation.
pub(super) fn segment(name: Concept<'_>, sop_class: &Uid, sop_instance: &Uid, number: u16) -> Item {
    let mut content = content(As::Contains, "IMAGE", name);
    let mut segment = reference(sop_class, sop_instance);
    segment.put(shorts(tags::REFERENCED_SEGMENT_NUMBER, &[number]));
    content.put(sequence(tags::REFERENCED_SOP_SEQUENCE, vec![segment]));
    content
}

/// CONTAINER: a heading and what stands below it; `template` is a TID of PS3.16.
pub(super) fn container(name: Concept<'_>, template: Option<&str>, below: Vec<Item>) -> Item {
    let mut content = content(As::Contains, "CONTAINER", name);
    put_container(&mut content, template, below);
    content
}

/// Makes a data set the root of a report: a container that belongs to nothing.
pub(super) fn put_root(name: Concept<'_>, template: &str, below: Vec<Item>, object: &mut Item) {
    object.put(text(tags::VALUE_TYPE, VR::CS, "CONTAINER"));
    object.put(code(tags::CONCEPT_NAME_CODE_SEQUENCE, name));
    put_container(object, Some(template), below);
}

fn put_container(content: &mut Item, template: Option<&str>, below: Vec<Item>) {
    content.put(text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE"));
    if let Some(identifier) = template {
        let template = item([
            text(tags::MAPPING_RESOURCE, VR::CS, "DCMR"),
            text(tags::TEMPLATE_IDENTIFIER, VR::CS, identifier),
        ]);
        content.put(sequence(tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]));
    }
    content.put(sequence(tags::CONTENT_SEQUENCE, below));
}
