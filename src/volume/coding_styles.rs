//! How finely a JPEG 2000 stream is cut, before a codec makes room for the pieces.
//!
//! Codecs keep something for every precinct and code block in every layer before they read a packet, and
//! a few bytes can announce gigabytes of that. So the coding styles of all headers are read first (COD
//! and COC, ISO/IEC 15444-1 A.6), and in no other way than codecs do: some go by a segment's length and
//! some by its contents, so both must agree, and what some would skip in their own way is refused.

#![deny(clippy::indexing_slicing)]

use super::{
    code_stream::{START_OF_TILE_PART, Tiles, big_u16, big_u32},
    compressed::CodecError,
};

/// Refuses a stream whose pieces would take more memory than any real image's.
pub(super) fn check(stream: &[u8]) -> Result<(), CodecError> {
    let tiles = Tiles::of(stream)?;
    let (mut layers, mut pieces) = (0, 0);
    for (marker, segment) in header_segments(stream)? {
        let style = match (marker, segment) {
            (COD, [flags, _, high, low, _, parameters @ ..]) => {
                layers = layers.max(u64::from(u16::from_be_bytes([*high, *low])));
                Style::of(*flags, parameters)
            }
            (COC, [_, flags, parameters @ ..]) => Style::of(*flags, parameters),
            (COD | COC, _) => None,
            _ => continue,
        };
        let style = style.ok_or(CodecError::NoHeader)?;
        pieces = pieces.max(style.pieces(&tiles).ok_or(CodecError::NoHeader)?);
    }
    if layers == 0 {
        return Err(CodecError::NoHeader);
    }
    let all = pieces.saturating_mul(tiles.count).saturating_mul(layers);
    if all > MAX_PIECES {
        return Err(CodecError::Codec {
            codec: "JPEG 2000",
            reason: format!("{all} precincts and code blocks in all layers"),
        });
    }
    Ok(())
}

/// Nearly four times what 4096 x 4096 pixels have in blocks of 32 x 32 and 32 layers.
const MAX_PIECES: u64 = 2_000_000;

const COD: u16 = 0xFF52;
const COC: u16 = 0xFF53;
const QCD: u16 = 0xFF5C;
const QCC: u16 = 0xFF5D;
const RGN: u16 = 0xFF5E;
const START_OF_DATA: u16 = 0xFF93;
/// CAP, SIZ, TLM, PLM, PLT, CPF, POC, PPM, PPT, CRG and COM: with COD, COC, QCD, QCC and RGN all that a
/// header holds (A.2, ISO/IEC 15444-15 A.1).
const OTHERS: [u16; 11] = [
    0xFF50, 0xFF51, 0xFF55, 0xFF57, 0xFF58, 0xFF59, 0xFF5F, 0xFF60, 0xFF61, 0xFF63, 0xFF64,
];

/// The marker segments of the main header and of every tile part's.
fn header_segments(stream: &[u8]) -> Result<Vec<(u16, &[u8])>, CodecError> {
    let mut segments = Vec::new();
    // After SOC.
    let mut at = segments_until(START_OF_TILE_PART, stream, 2, &mut segments)?;
    while big_u16(stream, at).is_ok_and(|marker| marker == START_OF_TILE_PART) {
        segments_until(START_OF_DATA, stream, at + 12, &mut segments)?;
        let length = big_u32(stream, at + 6)? as usize;
        if length == 0 {
            break;
        }
        at = at.saturating_add(length);
    }
    Ok(segments)
}

/// The segments from `at` up to a marker; where that is.
fn segments_until<'a>(
    end: u16,
    stream: &'a [u8],
    mut at: usize,
    segments: &mut Vec<(u16, &'a [u8])>,
) -> Result<usize, CodecError> {
    loop {
        let marker = big_u16(stream, at)?;
        if marker == end {
            return Ok(at);
        }
        let next = at + 2 + usize::from(big_u16(stream, at + 2)?);
        let segment = stream.get(at + 4..next).ok_or(CodecError::NoHeader)?;
        if !ends_with_its_contents(marker, segment) {
            return Err(CodecError::NoHeader);
        }
        segments.push((marker, segment));
        at = next;
    }
}

/// Whether a codec that goes by the contents of a segment ends where its length does. Of coding styles
/// [`Style::of`] says that.
fn ends_with_its_contents(marker: u16, segment: &[u8]) -> bool {
    // One step size from which the others follow (A.6.4).
    let derived = |style: Option<&u8>| style.is_some_and(|style| style & 0x1F == 1);
    match marker {
        COD | COC => true,
        RGN => segment.len() == 3,
        QCD => !derived(segment.first()) || segment.len() == 3,
        QCC => !derived(segment.get(1)) || segment.len() == 4,
        _ => OTHERS.contains(&marker),
    }
}

/// What COD and COC have in common (A.6.1).
struct Style<'a> {
    levels: u8,
    /// Exponents of a code block's rows and columns.
    block: [u8; 2],
    /// For each resolution, if it is not the largest there can be: exponents of a precinct's rows and
    /// columns, four bits each.
    precincts: &'a [u8],
}

impl<'a> Style<'a> {
    fn of(flags: u8, parameters: &'a [u8]) -> Option<Self> {
        let [
            levels @ 0..=32,
            width @ 0..=8,
            height @ 0..=8,
            _,
            _,
            precincts @ ..,
        ] = parameters
        else {
            return None;
        };
        let defined = if flags & 1 == 1 {
            usize::from(*levels) + 1
        } else {
            0
        };
        (precincts.len() == defined).then_some(Self {
            levels: *levels,
            block: [height + 2, width + 2],
            precincts,
        })
    }

    /// Precincts and code blocks of one tile, or some less: their grids need not begin with the tile.
    fn pieces(&self, tiles: &Tiles) -> Option<u64> {
        (0..=self.levels)
            .map(|resolution| {
                let precincts = self.precincts.get(usize::from(resolution));
                let [tall, wide] = precincts.map_or([15; 2], |both| [both >> 4, both & 15]);
                // The bands of all but the first are half as large as the resolution (B.5).
                let halved = u8::from(resolution > 0);
                let [rows, columns] = tiles
                    .size
                    .map(|side| shrunk(side, self.levels - resolution));
                let along = |side, precinct: u8, block: u8| {
                    // A code block is no larger than its precinct in the band (B.7).
                    let block = precinct.checked_sub(halved)?.min(block);
                    Some((shrunk(side, precinct), shrunk(shrunk(side, halved), block)))
                };
                let (precincts_down, blocks_down) = along(rows, tall, self.block[0])?;
                let (precincts_across, blocks_across) = along(columns, wide, self.block[1])?;
                let bands = if halved == 1 { 3 } else { 1 };
                Some(bands * (precincts_down * precincts_across + blocks_down * blocks_across))
            })
            .sum()
    }
}

fn shrunk(side: u64, exponent: u8) -> u64 {
    side.div_ceil(1 << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{
        compressed::decode,
        vectors::{self, JPEG_2000_UNSIGNED, bytes},
    };

    const START_OF_TILE: [u8; 14] = [0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 14, 0, 1, 0xFF, 0x93];

    fn segment(marker: u16, contents: &[u8]) -> Vec<u8> {
        let length = contents.len() as u16 + 2;
        [&marker.to_be_bytes(), &length.to_be_bytes(), contents].concat()
    }

    /// COD with the exponents of a code block's sides and of every precinct's.
    fn style(layers: u8, block: u8, precincts: &[u8]) -> Vec<u8> {
        let defined = u8::from(!precincts.is_empty());
        let parameters = [defined, 0, 0, layers, 0, 5, block - 2, block - 2, 0, 1];
        segment(COD, &[&parameters, precincts].concat())
    }

    /// A stream of one tile without a packet.
    fn stream(side: u16, styles: &[u8]) -> Vec<u8> {
        let side = u32::from(side).to_be_bytes();
        let none = [0; 4];
        let size = [side, side, none, none, side, side, none, none].concat();
        let size = segment(0xFF51, &[&[0, 0], &*size, &[0, 1, 15, 1, 1]].concat());
        let quantisation = segment(QCD, &[&[0x40][..], &[0x80; 16]].concat());
        let start = [0xFF, 0x4F];
        let end = [0xFF, 0xD9];
        [&start, &*size, styles, &quantisation, &START_OF_TILE, &end].concat()
    }

    #[test]
    fn what_writers_make_passes() {
        check(&bytes(JPEG_2000_UNSIGNED)).unwrap();
        for (side, layers, block) in [(4096, 32, 6), (4096, 32, 5), (512, 32, 4), (512, 1, 2)] {
            check(&stream(side, &style(layers, block, &[]))).unwrap();
            check(&stream(side, &style(layers, block, &[0x88; 6]))).unwrap();
        }
    }

    #[test]
    fn a_stream_of_too_many_pieces_never_reaches_its_codec() {
        let everywhere = stream(4096, &style(32, 6, &[0x11; 6]));
        // Where a codec looks for them too: beside a harmless one, and in a tile part.
        let harmless = style(1, 6, &[]);
        let component = [&[0, 1, 5, 4, 4, 0, 1][..], &[0x11; 6]].concat();
        let beside = stream(4096, &[&*harmless, &segment(COC, &component)].concat());
        let mut in_tile = stream(4096, &harmless);
        let at = in_tile.len() - 4;
        in_tile.splice(at..at, style(32, 6, &[0x11; 6]));
        for stream in [everywhere, beside, in_tile] {
            for syntax in ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201"] {
                let mut header = vectors::header(4096, 4096);
                header.transfer_syntax = syntax.parse().unwrap();
                let error = decode(&stream, &header).unwrap_err().to_string();
                assert!(error.ends_with("code blocks in all layers"), "{error}");
            }
        }
    }

    #[test]
    fn what_codecs_read_in_different_ways_is_refused() {
        let harmless = style(1, 6, &[]);
        // A length beyond the contents, a marker without a length, an unknown one, an empty precinct.
        let mut long = style(1, 6, &[0x88; 6]);
        *long.get_mut(4).unwrap() = 0;
        let bare = [&[0xFF, 0x30][..], &harmless].concat();
        let unknown = [segment(0xFF70, &harmless), harmless].concat();
        for styles in [long, bare, unknown, style(1, 6, &[0; 6])] {
            let refused = check(&stream(64, &styles));
            assert!(matches!(refused, Err(CodecError::NoHeader)), "{styles:?}");
        }
    }
}
