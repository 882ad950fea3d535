//! Which devices had a hand in a result: the scanner, and us. When a mask is wrong, this is how
//! somebody finds out years later which model, in which box, drew it.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::{
    Equipment, Model,
    elements::{Item, LONG_STRING, code, item, printable, sequence, text, uid},
    source::Source,
};
use crate::dicom::{Uid, codes};

impl Equipment {
    /// General Equipment and Enhanced General Equipment (PS3.3 C.7.5.1, C.7.5.2), and the
    /// contributing equipment of the SOP Common module.
    pub(super) fn put(&self, source: &Source, model: &Model<'_>, object: &mut Item) {
        let ours = self.attributes(model);
        for element in ours.clone() {
            object.put(element);
        }
        let mut processing = ours;
        processing.put(code(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            codes::PROCESSING_EQUIPMENT,
        ));
        processing.put(uid(tags::DEVICE_UID, &self.device_uid()));
        let contribution = "Segmented the liver and its tumours by AI; not for diagnosis";
        processing.put(text(tags::CONTRIBUTION_DESCRIPTION, VR::ST, contribution));
        let mut contributing = Vec::from_iter(acquisition(source));
        contributing.push(processing);
        object.put(sequence(
            tags::CONTRIBUTING_EQUIPMENT_SEQUENCE,
            contributing,
        ));
    }

    /// The same for every result of this box.
    pub(super) fn device_uid(&self) -> Uid {
        Uid::derived(
            "device",
            &[&self.manufacturer, &self.model_name, &self.serial_number],
        )
    }

    /// All type 1, so an empty one says "unknown".
    fn attributes(&self, model: &Model<'_>) -> Item {
        let known = |words: &str| match printable(words, LONG_STRING) {
            blank if blank.is_empty() => "unknown".to_owned(),
            words => words,
        };
        let software = self.software_versions.iter().map(|version| known(version));
        let versions: Vec<_> = software.chain([known(&model.named())]).collect();
        item([
            text(tags::MANUFACTURER, VR::LO, &known(&self.manufacturer)),
            text(
                tags::MANUFACTURER_MODEL_NAME,
                VR::LO,
                &known(&self.model_name),
            ),
            text(
                tags::DEVICE_SERIAL_NUMBER,
                VR::LO,
                &known(&self.serial_number),
            ),
            text(tags::SOFTWARE_VERSIONS, VR::LO, &versions.join("\\")),
        ])
    }
}

/// The scanner as the source describes it; the item needs a manufacturer (type 1).
fn acquisition(source: &Source) -> Option<Item> {
    source.text(tags::MANUFACTURER)?;
    let mut scanner = item([code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        codes::ACQUISITION_EQUIPMENT,
    )]);
    source.copy(&DESCRIBED, &mut scanner);
    Some(scanner)
}

/// Of PS3.3 C.12.1 Contributing Equipment, what General Equipment has too.
const DESCRIBED: [Tag; 9] = [
    tags::MANUFACTURER,
    tags::INSTITUTION_NAME,
    tags::INSTITUTION_ADDRESS,
    tags::STATION_NAME,
    tags::INSTITUTIONAL_DEPARTMENT_NAME,
    tags::MANUFACTURER_MODEL_NAME,
    tags::DEVICE_SERIAL_NUMBER,
    tags::SOFTWARE_VERSIONS,
    tags::DEVICE_UID,
];
