//! What peers say in tests.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::IMPLICIT_VR_LITTLE_ENDIAN;
use dicom_ul::pdu::{AssociationRQ, PresentationContextProposed, UserVariableItem};

/// An association request of `calling` that proposes SOP classes and their transfer syntaxes in
/// contexts 1, 3, 5...
pub fn request(
    [calling, called]: [&str; 2],
    contexts: &[(&str, &[&str])],
    user_variables: Vec<UserVariableItem>,
) -> AssociationRQ {
    let contexts = contexts.iter().zip((1..).step_by(2));
    let proposed = contexts.map(|((class, syntaxes), id)| PresentationContextProposed {
        id,
        abstract_syntax: (*class).to_owned(),
        transfer_syntaxes: syntaxes.iter().map(|&s| s.to_owned()).collect(),
    });
    AssociationRQ {
        protocol_version: 1,
        calling_ae_title: calling.to_owned(),
        called_ae_title: called.to_owned(),
        application_context_name: uids::DICOM_APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: proposed.collect(),
        user_variables,
    }
}

/// The command of a report on a commitment: N-EVENT-REPORT-RQ, a data set follows.
pub fn report_command(message_id: u16, instance: &str, event: u16) -> Vec<u8> {
    let text = |tag: Tag, text: &str| DataElement::new(tag, VR::UI, text);
    let number = |tag: Tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let command = InMemDicomObject::from_element_iter([
        text(
            tags::AFFECTED_SOP_CLASS_UID,
            uids::STORAGE_COMMITMENT_PUSH_MODEL,
        ),
        number(tags::COMMAND_FIELD, 0x0100),
        number(tags::MESSAGE_ID, message_id),
        number(tags::COMMAND_DATA_SET_TYPE, 1),
        text(tags::AFFECTED_SOP_INSTANCE_UID, instance),
        number(tags::EVENT_TYPE_ID, event),
    ]);
    let mut bytes = Vec::new();
    let syntax = IMPLICIT_VR_LITTLE_ENDIAN.erased();
    command.write_dataset_with_ts(&mut bytes, &syntax).unwrap();
    bytes
}
