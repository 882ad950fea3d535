use dicom_core::{
    DataElement, VR,
    value::{PixelFragmentSequence, Value},
};
use dicom_dictionary_std::tags;
use dicom_toolkit_codec::{
    Jp2kCodec, RleCodec,
    jpeg::{JpegParams, encode_jpeg, encode_jpeg_lossless},
};

use super::*;
use crate::{
    dicom::transfer_syntax::{DECODABLE, EXPLICIT_VR_BIG_ENDIAN},
    series::sample::Sample,
    volume::{
        DecodeError, decode as decode_file,
        vectors::{self, bytes, image},
    },
};

const ROWS: u16 = vectors::ROWS as u16;
const COLUMNS: u16 = vectors::COLUMNS as u16;

fn little_endian(image: &[u16]) -> Vec<u8> {
    image.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn sample(syntax: &'static str, fragments: Vec<Vec<u8>>, offsets: Vec<u32>) -> Sample {
    let mut sample = Sample::slice(1)
        .with(tags::ROWS, VR::US, ROWS)
        .with(tags::COLUMNS, VR::US, COLUMNS)
        .with(tags::BITS_STORED, VR::US, 12_u16)
        .with(tags::HIGH_BIT, VR::US, 11_u16)
        .with(tags::RESCALE_INTERCEPT, VR::DS, "0")
        .written_as(syntax);
    let fragments: Vec<_> = fragments
        .into_iter()
        .map(|mut fragment| {
            fragment.resize(fragment.len().next_multiple_of(2), 0);
            fragment
        })
        .collect();
    sample.data_set.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        Value::PixelSequence(PixelFragmentSequence::new(offsets, fragments)),
    ));
    sample
}

fn frames(sample: &Sample) -> Result<Vec<Vec<i16>>, DecodeError> {
    let file = sample.file();
    let header = InstanceHeader::read(&file).unwrap();
    let slices = decode_file(&file, &header)?;
    Ok(slices.into_iter().map(|slice| slice.hu).collect())
}

fn compressed(syntax: &str, image: &[u16]) -> Vec<u8> {
    let pixels = little_endian(image);
    let (columns, rows) = (u32::from(COLUMNS), u32::from(ROWS));
    match syntax {
        uids::RLE_LOSSLESS => RleCodec::encode(&pixels, ROWS, COLUMNS, 16, 1).unwrap(),
        uids::JPEG_LOSSLESS_SV1 => {
            encode_jpeg_lossless(&pixels, COLUMNS, ROWS, 1, 16, 12, 1).unwrap()
        }
        uids::JPEG_LOSSLESS => encode_jpeg_lossless(&pixels, COLUMNS, ROWS, 1, 16, 12, 6).unwrap(),
        uids::HTJ2K | uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL => {
            Jp2kCodec::encode_frame_htj2k(&pixels, columns, rows, 12, 1, true).unwrap()
        }
        uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN => pixels,
        other => panic!("no encoder for {other}"),
    }
}

/// Syntaxes for which [`compressed`] has an encoder.
const ENCODABLE: [&str; 7] = [
    uids::RLE_LOSSLESS,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEG_LOSSLESS,
    uids::HTJ2K_LOSSLESS,
    uids::HTJ2K_LOSSLESS_RPCL,
    uids::HTJ2K,
    uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
];

fn hounsfield(image: &[u16]) -> Vec<i16> {
    image.iter().map(|value| value.cast_signed()).collect()
}

#[test]
fn every_lossless_syntax_gives_back_what_was_compressed() {
    let image = image(1, 4095);
    for syntax in ENCODABLE {
        let sample = sample(syntax, vec![compressed(syntax, &image)], vec![]);
        assert_eq!(frames(&sample).unwrap(), [hounsfield(&image)], "{syntax}");
    }
    for (syntax, stream) in [
        (uids::JPEGLS_LOSSLESS, vectors::JPEG_LS_12),
        (uids::JPEGLS_NEAR_LOSSLESS, vectors::JPEG_LS_12),
        (uids::JPEG2000_LOSSLESS, vectors::JPEG_2000_UNSIGNED),
        (uids::JPEG2000, vectors::JPEG_2000_UNSIGNED),
    ] {
        let sample = sample(syntax, vec![bytes(stream)], vec![]);
        assert_eq!(frames(&sample).unwrap(), [hounsfield(&image)], "{syntax}");
    }
}

#[test]
fn every_compressed_syntax_that_is_accepted_is_tried_here() {
    let tried = |syntax: &str| {
        ENCODABLE.contains(&syntax)
            || [
                uids::JPEGLS_LOSSLESS,
                uids::JPEGLS_NEAR_LOSSLESS,
                uids::JPEG2000_LOSSLESS,
                uids::JPEG2000,
                uids::JPEG_BASELINE8_BIT,
                uids::JPEG_EXTENDED12_BIT,
            ]
            .contains(&syntax)
    };
    let untried: Vec<_> = DECODABLE
        .into_iter()
        .map(|(syntax, _)| syntax)
        .filter(|syntax| !tried(syntax))
        .collect();
    // Uncompressed, tried beside the reader of native pixel data.
    assert_eq!(
        untried,
        [
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
            uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        ]
    );
}

#[test]
fn extended_jpeg_of_twelve_bits_is_decoded_closely() {
    let sample = sample(
        uids::JPEG_EXTENDED12_BIT,
        vec![bytes(vectors::JPEG_EXTENDED_12)],
        vec![],
    )
    .with(tags::ROWS, VR::US, 11_u16)
    .with(tags::COLUMNS, VR::US, 18_u16);
    let decoded: Vec<u16> = frames(&sample)
        .unwrap()
        .remove(0)
        .iter()
        .map(|hu| *hu as u16)
        .collect();
    assert!(vectors::worst(&decoded, &vectors::ramp()) <= 25);
}

#[test]
fn a_jpeg_2000_stream_may_lack_its_end_marker_but_no_byte_of_a_tile() {
    let whole = bytes(vectors::JPEG_2000_UNSIGNED);
    let expected = [hounsfield(&image(1, 4095))];
    let of = |stream: &[u8]| {
        let sample = sample(uids::JPEG2000_LOSSLESS, vec![stream.to_vec()], vec![]);
        frames(&sample)
    };
    let (tiles, _end) = whole.split_at(whole.len() - 2);
    for padding in [0, 1, 2, 3, 10] {
        let stream = [tiles, &vec![0; padding]].concat();
        assert_eq!(of(&stream).unwrap(), expected, "padded by {padding}");
    }
    let padded = [&*whole, &[0, 0, 0]].concat();
    assert_eq!(of(&padded).unwrap(), expected);
    for missing in 1..tiles.len() {
        let (cut, _) = tiles.split_at(tiles.len() - missing);
        assert!(of(cut).is_err(), "{missing} bytes are missing");
    }
}

#[test]
fn lossy_jpeg_2000_is_decoded_closely_and_stays_in_range() {
    let slope = vectors::slope();
    for (stream, less, signed) in [
        (vectors::JPEG_2000_LOSSY_UNSIGNED, 0, 0_u16),
        (vectors::JPEG_2000_LOSSY_SIGNED, 1800, 1),
    ] {
        let sample = sample(uids::JPEG2000, vec![bytes(stream)], vec![])
            .with(tags::ROWS, VR::US, 64_u16)
            .with(tags::COLUMNS, VR::US, 64_u16)
            .with(tags::PIXEL_REPRESENTATION, VR::US, signed);
        let decoded = frames(&sample).unwrap().remove(0);
        let expected = slope.iter().map(|value| value.cast_signed() - less);
        let errors = decoded.iter().zip(expected).map(|(a, b)| a.abs_diff(b));
        // OpenJPEG's own decoder is off by 13.
        assert!(errors.max() <= Some(14), "signed {signed}");
    }
}

#[test]
fn baseline_jpeg_of_eight_bits_is_decoded_closely() {
    let image: Vec<u8> = (0..ROWS * COLUMNS)
        .map(|at| (at % COLUMNS * 9 + at / COLUMNS * 5) as u8)
        .collect();
    let stream = encode_jpeg(&image, COLUMNS, ROWS, 1, &JpegParams::lossless()).unwrap();
    let sample = sample(uids::JPEG_BASELINE8_BIT, vec![stream], vec![])
        .with(tags::BITS_ALLOCATED, VR::US, 8_u16)
        .with(tags::BITS_STORED, VR::US, 8_u16)
        .with(tags::HIGH_BIT, VR::US, 7_u16);
    let decoded = frames(&sample).unwrap().remove(0);
    let worst = decoded
        .iter()
        .zip(&image)
        .map(|(a, b)| a.abs_diff(i16::from(*b)))
        .max();
    assert!(worst <= Some(2), "{worst:?}");
}

#[test]
fn negative_values_survive_every_lossless_syntax() {
    let signed: Vec<i16> = image(1, 4095)
        .iter()
        .map(|value| value.cast_signed() - 1800)
        .collect();
    let stored: Vec<u16> = signed
        .iter()
        .map(|value| value.cast_unsigned() & 0x0FFF)
        .collect();
    let signed_stream = (uids::JPEG2000_LOSSLESS, bytes(vectors::JPEG_2000_SIGNED));
    let streams = ENCODABLE.map(|syntax| (syntax, compressed(syntax, &stored)));
    for (syntax, stream) in streams.into_iter().chain([signed_stream]) {
        let sample = sample(syntax, vec![stream], vec![]);
        let sample = sample.with(tags::PIXEL_REPRESENTATION, VR::US, 1_u16);
        assert_eq!(frames(&sample).unwrap(), [signed.as_slice()], "{syntax}");
    }
}

#[test]
fn frames_of_several_fragments_are_told_apart_by_the_offset_table() {
    let syntax = uids::RLE_LOSSLESS;
    let (one, mut other) = (image(1, 4095), image(1, 4095));
    other.reverse();
    let whole = compressed(syntax, &one);
    let (head, tail) = whole.split_at(100);
    let fragments = vec![head.to_vec(), tail.to_vec(), compressed(syntax, &other)];
    let second = (8 + 100 + 8 + tail.len().next_multiple_of(2)) as u32;
    let expected = [hounsfield(&one), hounsfield(&other)];
    let two = |sample: Sample| sample.with(tags::NUMBER_OF_FRAMES, VR::IS, "2");

    let told = two(sample(syntax, fragments.clone(), vec![0, second]));
    assert_eq!(frames(&told).unwrap(), expected);
    let untold = two(sample(syntax, fragments, vec![]));
    assert!(matches!(
        frames(&untold),
        Err(DecodeError::Fragments {
            fragments: 3,
            frames: 2
        })
    ));
}

/// Streams that carry their own size.
fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let encoded = ENCODABLE
        .into_iter()
        .filter(|syntax| syntax.starts_with("1.2.840.10008.1.2.4"))
        .map(|syntax| (syntax, compressed(syntax, &image(1, 4095))));
    let others = [
        (uids::JPEGLS_LOSSLESS, bytes(vectors::JPEG_LS_12)),
        (uids::JPEG2000_LOSSLESS, bytes(vectors::JPEG_2000_UNSIGNED)),
    ];
    encoded.chain(others).collect()
}

#[test]
fn a_stream_of_another_size_never_reaches_its_codec() {
    for (syntax, stream) in streams() {
        let sample = sample(syntax, vec![stream], vec![]).with(tags::ROWS, VR::US, ROWS - 1);
        let error = frames(&sample).unwrap_err();
        let DecodeError::Codec { source, .. } = error else {
            panic!("{syntax}: {error:?}");
        };
        assert_eq!(
            source.to_string(),
            "the code stream holds 1 components of 9 rows and 13 columns",
            "{syntax}"
        );
    }
}

#[test]
fn a_start_of_frame_where_no_segment_can_be_is_not_overlooked() {
    let syntax = uids::JPEG_LOSSLESS_SV1;
    let stream = compressed(syntax, &image(1, 4095));
    let (start, truthful) = stream.split_at(2);
    // FF00 begins no segment, so that what looks like its contents is the first one.
    let hidden = [
        0xFF, 0x00, 0, 15, 0xFF, 0xC3, 0, 11, 12, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1, 0x11, 0,
    ];
    let stream = [start, &hidden, truthful].concat();
    let error = frames(&sample(syntax, vec![stream], vec![])).unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::Codec {
                source: CodecError::OtherImage { rows: 65535, .. },
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn no_cut_and_no_damaged_byte_panics() {
    let run_lengths = (
        uids::RLE_LOSSLESS,
        compressed(uids::RLE_LOSSLESS, &image(1, 4095)),
    );
    for (syntax, stream) in streams().into_iter().chain([run_lengths]) {
        for at in 0..stream.len() {
            let mut damaged = stream.clone();
            *damaged.get_mut(at).unwrap() ^= 0xA5;
            let cut = stream.get(..at).unwrap().to_vec();
            let _ = frames(&sample(syntax, vec![cut], vec![]));
            let _ = frames(&sample(syntax, vec![damaged], vec![]));
        }
    }
}
