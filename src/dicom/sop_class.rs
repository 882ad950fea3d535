//! Which SOP classes are accepted, and what each is to us.

use dicom_dictionary_std::uids;

use super::Uid;

/// What a SOP class is to this appliance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SopClassRole {
    /// C-ECHO; whoever accepts an association accepts it (PS3.2 §7.1).
    Verification,
    /// CT with one frame an instance.
    CtImage,
    /// CT with many frames an instance, true or converted from a classic series.
    EnhancedCt,
    /// Any other storage class, private ones included: an auto-pushed study carries localizers,
    /// dose reports and presentation states, and refusing them fails the scanner's queue.
    OtherStorage,
    /// Storage Commitment Push Model, of which we are the user: a PACS that was asked to commit comes
    /// with its report (PS3.4 Annex J).
    Commitment,
    /// A service we do not provide.
    NotProvided,
}

/// The classes that can become a segmentation, as (UID, name).
pub const SEGMENTED: [(&str, &str); 3] = [
    (uids::CT_IMAGE_STORAGE, "CT Image Storage"),
    (uids::ENHANCED_CT_IMAGE_STORAGE, "Enhanced CT Image Storage"),
    (
        uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
        "Legacy Converted Enhanced CT Image Storage",
    ),
];

/// The storage classes of the standard (PS3.4 Annex B) are numbered under this arc, future ones too.
pub const STORAGE_ARC: &str = "1.2.840.10008.5.1.4.1.1.";

/// Services that are numbered there and store nothing: they query, retrieve and create.
pub const NO_STORAGE: [&str; 8] = [
    uids::PROTOCOL_APPROVAL_INFORMATION_MODEL_FIND,
    uids::PROTOCOL_APPROVAL_INFORMATION_MODEL_MOVE,
    uids::PROTOCOL_APPROVAL_INFORMATION_MODEL_GET,
    uids::INVENTORY_FIND,
    uids::INVENTORY_MOVE,
    uids::INVENTORY_GET,
    uids::INVENTORY_CREATION,
    uids::REPOSITORY_QUERY,
];

/// Storage classes that are numbered elsewhere, each among services of other kinds.
pub const STORAGE_ELSEWHERE: [&str; 8] = [
    // Retired, so that the dictionary warns of its name: RT Beams Delivery Instruction, trial.
    "1.2.840.10008.5.1.4.34.1",
    uids::RT_BEAMS_DELIVERY_INSTRUCTION_STORAGE,
    uids::RT_BRACHY_APPLICATION_SETUP_DELIVERY_INSTRUCTION_STORAGE,
    uids::HANGING_PROTOCOL_STORAGE,
    uids::COLOR_PALETTE_STORAGE,
    uids::GENERIC_IMPLANT_TEMPLATE_STORAGE,
    uids::IMPLANT_ASSEMBLY_TEMPLATE_STORAGE,
    uids::IMPLANT_TEMPLATE_GROUP_STORAGE,
];

#[must_use]
pub fn role(abstract_syntax: &Uid) -> SopClassRole {
    let uid = abstract_syntax.as_str();
    match uid {
        uids::VERIFICATION => SopClassRole::Verification,
        uids::STORAGE_COMMITMENT_PUSH_MODEL => SopClassRole::Commitment,
        uids::CT_IMAGE_STORAGE => SopClassRole::CtImage,
        uids::ENHANCED_CT_IMAGE_STORAGE | uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE => {
            SopClassRole::EnhancedCt
        }
        _ if STORAGE_ELSEWHERE.contains(&uid) => SopClassRole::OtherStorage,
        _ if uid.starts_with(STORAGE_ARC) && !NO_STORAGE.contains(&uid) => {
            SopClassRole::OtherStorage
        }
        _ if uid.starts_with("1.2.840.10008.") => SopClassRole::NotProvided,
        _ => SopClassRole::OtherStorage,
    }
}

impl SopClassRole {
    #[must_use]
    pub fn is_storage(self) -> bool {
        matches!(self, Self::CtImage | Self::EnhancedCt | Self::OtherStorage)
    }
}

/// The name of a SOP class in words, or its UID where the dictionary has none.
#[must_use]
pub fn name(uid: &Uid) -> String {
    use dicom_core::dictionary::UidDictionary;
    dicom_dictionary_std::StandardSopClassDictionary
        .by_uid(uid.as_str())
        .map_or_else(|| uid.to_string(), |entry| entry.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_of(uid: &str) -> SopClassRole {
        role(&Uid::parse(uid).unwrap())
    }

    #[test]
    fn storage_is_accepted_other_services_are_not() {
        assert_eq!(role_of(uids::VERIFICATION), SopClassRole::Verification);
        assert_eq!(role_of(uids::CT_IMAGE_STORAGE), SopClassRole::CtImage);
        assert_eq!(
            role_of(uids::X_RAY_RADIATION_DOSE_SR_STORAGE),
            SopClassRole::OtherStorage
        );
        assert_eq!(role_of("1.3.12.2.1107.5.9.1"), SopClassRole::OtherStorage);
        assert_eq!(
            role_of("1.2.840.10008.5.1.4.1.2.1.1"),
            SopClassRole::NotProvided
        );
        assert_eq!(role_of("1.2.840.10008.1.20.1"), SopClassRole::Commitment);
        assert!(!SopClassRole::Commitment.is_storage());
    }

    /// Every UID under `arc` with as many more components as there are `widths`, or fewer, each at
    /// most so large.
    fn under(arc: &str, widths: &[u32]) -> Vec<String> {
        let Some((width, deeper)) = widths.split_first() else {
            return Vec::new();
        };
        let next = (1..=*width).map(|component| format!("{arc}.{component}"));
        next.flat_map(|uid| {
            let below = under(&uid, deeper);
            std::iter::once(uid).chain(below)
        })
        .collect()
    }

    #[test]
    fn of_the_standards_classes_exactly_those_are_stored_that_are_called_storage() {
        use dicom_core::dictionary::UidDictionary;
        // The dictionary can only be asked for one.
        let mut uids = under("1.2.840.10008.5.1.4", &[50, 10, 5]);
        uids.extend(under("1.2.840.10008.5.1.4.1.1", &[610, 110]));
        let dictionary = dicom_dictionary_std::StandardSopClassDictionary;
        let mut stored = 0;
        for class in uids.iter().filter_map(|uid| dictionary.by_uid(uid)) {
            let is_stored = role_of(class.uid).is_storage();
            let is_called = class.name.contains("Storage");
            assert_eq!(is_stored, is_called, "{} {}", class.uid, class.name);
            stored += u32::from(is_stored);
        }
        assert!(stored > 150, "only {stored} were found");
    }

    #[test]
    fn classes_are_named_in_words() {
        let ct = Uid::parse(uids::CT_IMAGE_STORAGE).unwrap();
        assert_eq!(name(&ct), "CT Image Storage");
    }
}
