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

/// Composite-instance storage classes of the standard are numbered under these arcs.
pub const STANDARD_STORAGE_ARCS: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.",
    "1.2.840.10008.5.1.4.34.",
    "1.2.840.10008.5.1.4.38.1",
    "1.2.840.10008.5.1.4.39.1",
    "1.2.840.10008.5.1.4.43.1",
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
        _ if STANDARD_STORAGE_ARCS.iter().any(|arc| uid.starts_with(arc)) => {
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

    #[test]
    fn classes_are_named_in_words() {
        let ct = Uid::parse(uids::CT_IMAGE_STORAGE).unwrap();
        assert_eq!(name(&ct), "CT Image Storage");
    }
}
