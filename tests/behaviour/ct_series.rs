//! CT series written attribute by attribute, so that a test can say exactly what a scanner sent:
//! orientation, tilt, holes, digits, character sets. The pixels carry nothing.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

type Item = InMemDicomObject;
type Element = DataElement<InMemDicomObject>;

/// The eight ways in which an axial slice can be turned and mirrored.
pub const AXIAL: [(&str, [f64; 6]); 8] = [
    ("left-posterior", [1., 0., 0., 0., 1., 0.]),
    ("right-posterior", [-1., 0., 0., 0., 1., 0.]),
    ("left-anterior", [1., 0., 0., 0., -1., 0.]),
    ("right-anterior", [-1., 0., 0., 0., -1., 0.]),
    ("posterior-left", [0., 1., 0., 1., 0., 0.]),
    ("anterior-left", [0., -1., 0., 1., 0., 0.]),
    ("posterior-right", [0., 1., 0., -1., 0., 0.]),
    ("anterior-right", [0., -1., 0., -1., 0., 0.]),
];

#[expect(
    clippy::struct_excessive_bools,
    reason = "each switches one oddity of a source on"
)]
pub struct CtSeries {
    pub rows: usize,
    pub columns: usize,
    /// Positions along the normal, of which some can be left out.
    pub positions: usize,
    pub left_out: Vec<usize>,
    pub orientation: [f64; 6],
    /// Between rows, between columns, as written.
    pub pixel_spacing: [&'static str; 2],
    /// How far the gantry leans: each slice is shifted along the columns against the one before.
    pub tilt_degrees: f64,
    /// One enhanced multi-frame instance instead of an instance a slice.
    pub enhanced: bool,
    /// Only what cannot be left out.
    pub sparse: bool,
    pub implicit: bool,
    /// As some anonymisers leave a data set: its UIDs and its character set are there, but empty.
    pub emptied: bool,
    pub character_set: &'static [u8],
    pub patient_name: &'static [u8],
    /// LossyImageCompression 01, with this ratio; none is said where it is empty.
    pub lossy: Option<&'static str>,
}

const SPACING_MM: f64 = 2.5;

impl CtSeries {
    pub fn axial(rows: usize, columns: usize, positions: usize) -> Self {
        Self {
            rows,
            columns,
            positions,
            left_out: Vec::new(),
            orientation: AXIAL[0].1,
            pixel_spacing: ["0.703125", "0.703125"],
            tilt_degrees: 0.0,
            enhanced: false,
            sparse: false,
            implicit: false,
            emptied: false,
            character_set: b"ISO_IR 192",
            patient_name: "Prüfkörper^Ünverkennbar".as_bytes(),
            lossy: None,
        }
    }

    pub fn slices(&self) -> usize {
        self.positions - self.left_out.len()
    }

    /// Part 10 files, in the order of the positions along the normal.
    pub fn files(&self) -> Vec<Vec<u8>> {
        let present = (0..self.positions).filter(|at| !self.left_out.contains(at));
        if self.enhanced {
            let frames = present.map(|at| self.frame_groups(at)).collect();
            return vec![self.enhanced_file(frames)];
        }
        present.map(|at| self.slice_file(at)).collect()
    }

    fn slice_file(&self, at: usize) -> Vec<u8> {
        let mut slice = self.common(uids::CT_IMAGE_STORAGE, at + 1);
        slice.put(ds(tags::IMAGE_POSITION_PATIENT, &self.position(at)));
        slice.put(ds(
            tags::IMAGE_ORIENTATION_PATIENT,
            &self.written_orientation(),
        ));
        slice.put(ds(tags::PIXEL_SPACING, &self.pixel_spacing.join("\\")));
        slice.put(ds(tags::SLICE_THICKNESS, "2.50"));
        slice.put(ds(tags::RESCALE_INTERCEPT, "-1024"));
        slice.put(ds(tags::RESCALE_SLOPE, "1"));
        self.write(slice, 1)
    }

    fn enhanced_file(&self, frames: Vec<Item>) -> Vec<u8> {
        let count = frames.len();
        let mut image = self.common(uids::ENHANCED_CT_IMAGE_STORAGE, 1);
        image.put(text(tags::NUMBER_OF_FRAMES, VR::IS, &count.to_string()));
        let orientation = ds(tags::IMAGE_ORIENTATION_PATIENT, &self.written_orientation());
        let measures = [
            ds(tags::PIXEL_SPACING, &self.pixel_spacing.join("\\")),
            ds(tags::SLICE_THICKNESS, "2.50"),
        ];
        let rescale = [
            ds(tags::RESCALE_INTERCEPT, "-1024"),
            ds(tags::RESCALE_SLOPE, "1"),
            text(tags::RESCALE_TYPE, VR::LO, "HU"),
        ];
        let kind = text(tags::FRAME_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\VOLUME\\NONE");
        let shared = Item::from_element_iter([
            group(tags::PLANE_ORIENTATION_SEQUENCE, [orientation]),
            group(tags::PIXEL_MEASURES_SEQUENCE, measures),
            group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, rescale),
            group(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, [kind]),
        ]);
        image.put(items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]));
        // Against the normal, so that frame numbers and slice numbers run apart.
        let backwards = frames.into_iter().rev().collect();
        image.put(items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, backwards));
        self.write(image, count)
    }

    fn frame_groups(&self, at: usize) -> Item {
        let position = ds(tags::IMAGE_POSITION_PATIENT, &self.position(at));
        Item::from_element_iter([group(tags::PLANE_POSITION_SEQUENCE, [position])])
    }

    /// Patient, study, series, equipment and pixel description.
    fn common(&self, sop_class: &str, number: usize) -> Item {
        let mut object = Item::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, sop_class),
            text(
                tags::SOP_INSTANCE_UID,
                VR::UI,
                &format!("1.2.3.4.5.{number}"),
            ),
            text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.4"),
            text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.4.5"),
            text(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.4.6"),
            text(tags::MODALITY, VR::CS, "CT"),
            text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
            text(tags::INSTANCE_NUMBER, VR::IS, &number.to_string()),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        ]);
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::ROWS, self.rows as u16),
            (tags::COLUMNS, self.columns as u16),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 12),
            (tags::HIGH_BIT, 11),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        if !self.sparse {
            self.put_particulars(&mut object);
        }
        object
    }

    /// What a real scanner says besides, some of it empty.
    fn put_particulars(&self, object: &mut Item) {
        for (tag, vr, bytes) in [
            (tags::SPECIFIC_CHARACTER_SET, VR::CS, self.character_set),
            (tags::PATIENT_NAME, VR::PN, self.patient_name),
        ] {
            // Bytes, so that dicom-rs neither checks nor converts them.
            let even = bytes
                .iter()
                .copied()
                .chain((bytes.len() % 2 == 1).then_some(b' '));
            let value = PrimitiveValue::U8(even.collect());
            object.put(DataElement::new(tag, vr, value));
        }
        for (tag, vr, value) in [
            (tags::PATIENT_ID, VR::LO, "  kept as sent "),
            (tags::PATIENT_BIRTH_DATE, VR::DA, ""),
            (tags::PATIENT_SEX, VR::CS, "O"),
            (tags::PATIENT_AGE, VR::AS, "061Y"),
            (tags::PATIENT_WEIGHT, VR::DS, "071.50"),
            (tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES"),
            (tags::DEIDENTIFICATION_METHOD, VR::LO, "synthesised"),
            (tags::STUDY_DATE, VR::DA, "20261121"),
            (tags::STUDY_TIME, VR::TM, "091500.250"),
            (tags::STUDY_ID, VR::SH, "17"),
            (tags::STUDY_DESCRIPTION, VR::LO, "CT abdomen"),
            (tags::ACCESSION_NUMBER, VR::SH, ""),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
            (tags::SERIES_NUMBER, VR::IS, "4"),
            (tags::SERIES_DATE, VR::DA, "20261121"),
            (tags::SERIES_TIME, VR::TM, "092000"),
            (tags::BODY_PART_EXAMINED, VR::CS, "ABDOMEN"),
            (tags::POSITION_REFERENCE_INDICATOR, VR::LO, "XY"),
            (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+0200"),
            (tags::MANUFACTURER, VR::LO, "Phantom works"),
            (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Gantry 9"),
            (tags::DEVICE_SERIAL_NUMBER, VR::LO, "0042"),
            (tags::SOFTWARE_VERSIONS, VR::LO, "A1\\B2"),
        ] {
            object.put(text(tag, vr, value));
        }
        let procedure = [
            text(tags::CODE_VALUE, VR::SH, "77477000"),
            text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "SCT"),
            text(tags::CODE_MEANING, VR::LO, "Computed tomography"),
        ];
        object.put(group(tags::PROCEDURE_CODE_SEQUENCE, procedure));
        if let Some(ratio) = self.lossy {
            object.put(text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01"));
            if !ratio.is_empty() {
                object.put(ds(tags::LOSSY_IMAGE_COMPRESSION_RATIO, ratio));
                let method = text(tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1");
                object.put(method);
            }
        }
    }

    fn write(&self, mut object: Item, frames: usize) -> Vec<u8> {
        let pixels = vec![0_u8; frames * self.rows * self.columns * 2];
        let pixels = PrimitiveValue::U8(pixels.into());
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, pixels));
        let syntax = if self.implicit {
            uids::IMPLICIT_VR_LITTLE_ENDIAN
        } else {
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        };
        let uid = |tag| object.element(tag).unwrap().to_str().unwrap().into_owned();
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(syntax)
            .media_storage_sop_class_uid(uid(tags::SOP_CLASS_UID))
            .media_storage_sop_instance_uid(uid(tags::SOP_INSTANCE_UID));
        if self.emptied {
            for (tag, vr) in [
                (tags::SPECIFIC_CHARACTER_SET, VR::CS),
                (tags::SOP_CLASS_UID, VR::UI),
                (tags::SOP_INSTANCE_UID, VR::UI),
                (tags::STUDY_INSTANCE_UID, VR::UI),
                (tags::SERIES_INSTANCE_UID, VR::UI),
            ] {
                object.put(text(tag, vr, ""));
            }
        }
        let mut bytes = Vec::new();
        let file = object.with_exact_meta(meta.build().unwrap());
        file.write_all(&mut bytes).unwrap();
        bytes
    }

    /// ImagePositionPatient as a scanner writes it, with two digits behind the point.
    fn position(&self, at: usize) -> String {
        let [a, b, c, d, e, f] = self.orientation;
        let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
        let along = at as f64 * SPACING_MM;
        let aside = along * self.tilt_degrees.to_radians().tan();
        let column = [d, e, f];
        let place = |axis: usize| {
            let origin = [-90.25, -110.5, 40.0][axis];
            format!(
                "{:.2}",
                origin + along * normal[axis] + aside * column[axis]
            )
        };
        [place(0), place(1), place(2)].join("\\")
    }

    fn written_orientation(&self) -> String {
        self.orientation.map(|cosine| cosine.to_string()).join("\\")
    }
}

fn text(tag: Tag, vr: VR, value: &str) -> Element {
    DataElement::new(tag, vr, value)
}

fn ds(tag: Tag, value: &str) -> Element {
    text(tag, VR::DS, value)
}

fn items(tag: Tag, items: Vec<Item>) -> Element {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

fn group<const N: usize>(tag: Tag, elements: [Element; N]) -> Element {
    items(tag, vec![Item::from_element_iter(elements)])
}
