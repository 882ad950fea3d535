//! The transfer syntaxes in which CT images are accepted: exactly those that `volume` can decode.

use dicom_dictionary_std::uids;

use super::Uid;

/// Accepted for CT, in the order in which we choose among what a sender proposes: uncompressed
/// first because it costs no time to decode, lossless before lossy.
pub const DECODABLE: [(&str, &str); 17] = [
    (uids::EXPLICIT_VR_LITTLE_ENDIAN, "Explicit VR Little Endian"),
    (uids::IMPLICIT_VR_LITTLE_ENDIAN, "Implicit VR Little Endian"),
    (EXPLICIT_VR_BIG_ENDIAN, "Explicit VR Big Endian"),
    (
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        "Deflated Explicit VR Little Endian",
    ),
    (uids::RLE_LOSSLESS, "RLE Lossless"),
    (
        uids::JPEG_LOSSLESS_SV1,
        "JPEG Lossless, first-order prediction",
    ),
    (uids::JPEG_LOSSLESS, "JPEG Lossless"),
    (uids::JPEGLS_LOSSLESS, "JPEG-LS Lossless"),
    (uids::JPEG2000_LOSSLESS, "JPEG 2000 Lossless"),
    (uids::HTJ2K_LOSSLESS, "High-Throughput JPEG 2000 Lossless"),
    (
        uids::HTJ2K_LOSSLESS_RPCL,
        "High-Throughput JPEG 2000 RPCL Lossless",
    ),
    (uids::JPEGLS_NEAR_LOSSLESS, "JPEG-LS Near-lossless"),
    (uids::JPEG2000, "JPEG 2000"),
    (uids::HTJ2K, "High-Throughput JPEG 2000"),
    (uids::JPEG_BASELINE8_BIT, "JPEG Baseline"),
    (uids::JPEG_EXTENDED12_BIT, "JPEG Extended"),
    (
        uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
        "Encapsulated Uncompressed Explicit VR Little Endian",
    ),
];

/// Retired in PS3.5 2016b, still sent by old scanners.
pub const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// What people call a transfer syntax; the UID itself where it is none of [`DECODABLE`].
#[must_use]
pub fn name(uid: &Uid) -> &str {
    let mut known = DECODABLE.iter();
    let found = known.find(|(known, _)| *known == uid.as_str());
    found.map_or(uid.as_str(), |(_, name)| name)
}

/// How early [`DECODABLE`] names the syntax; `None` if it does not.
#[must_use]
pub fn preference(uid: &str) -> Option<usize> {
    DECODABLE.iter().position(|(known, _)| *known == uid)
}
