//! One slice with the contours on it, for the page: a look that needs no viewer.

use ndarray::Array2;

use crate::{mask::LabelSlice, volume::HuSlice};

/// Abdominal soft tissue: level 40, width 400 HU.
const WINDOW_HU: [f32; 2] = [-160.0, 240.0];

/// Liver, then tumour: the colours that Slicer and TotalSegmentator use for them, sRGB.
const COLOURS: [[u8; 3]; 2] = [[221, 130, 101], [255, 0, 200]];

/// The slice of a label map to show: the one with most tumour, or with most liver where there is
/// none. `None` for an empty map.
#[must_use]
pub fn slice_to_show(slices: &[LabelSlice]) -> Option<usize> {
    let most = |label: u8| {
        let counts = slices.iter().map(|slice| slice.count(label));
        counts
            .enumerate()
            .filter(|(_, count)| *count > 0)
            .max_by_key(|(slice, count)| (*count, std::cmp::Reverse(*slice)))
            .map(|(slice, _)| slice)
    };
    most(2).or_else(|| most(1))
}

/// An RGB PNG of one slice in soft-tissue window, with the outline of each label.
pub fn preview(slice: &HuSlice, labels: &Array2<u8>) -> Result<Vec<u8>, png::EncodingError> {
    let (rows, columns) = labels.dim();
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&contoured(slice, labels))?;
    writer.finish()?;
    Ok(png)
}

/// Its pixels: red, green and blue of each, row by row.
pub(super) fn contoured(slice: &HuSlice, labels: &Array2<u8>) -> Vec<u8> {
    let [low, high] = WINDOW_HU;
    let mut pixels: Vec<u8> = slice
        .hu
        .iter()
        .flat_map(|hu| {
            let grey = (f32::from(*hu) - low) / (high - low);
            [(grey.clamp(0.0, 1.0) * 255.0) as u8; 3]
        })
        .collect();
    let (_, columns) = labels.dim();
    for ((row, column), &label) in labels.indexed_iter() {
        let Some(colour) = usize::from(label)
            .checked_sub(1)
            .and_then(|at| COLOURS.get(at))
        else {
            continue;
        };
        let neighbours = [
            (row.wrapping_sub(1), column),
            (row + 1, column),
            (row, column.wrapping_sub(1)),
            (row, column + 1),
        ];
        let same = |at: (usize, usize)| labels.get(at) == Some(&label);
        if !neighbours.into_iter().all(same) {
            let at = 3 * (row * columns + column);
            pixels[at..at + 3].copy_from_slice(colour);
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slice_with_most_tumour_is_shown_else_the_one_with_most_liver() {
        let slice = |of: [u8; 4]| -> LabelSlice {
            Array2::from_shape_vec((2, 2), of.to_vec()).unwrap().into()
        };
        let (liver, little, much) = (slice([1; 4]), slice([1, 1, 1, 2]), slice([0, 2, 2, 0]));
        assert_eq!(slice_to_show(&[liver.clone(), little, much]), Some(2));
        assert_eq!(slice_to_show(&[slice([0; 4]), liver]), Some(1));
        assert_eq!(slice_to_show(&[slice([0; 4])]), None);
    }

    #[test]
    fn outlines_are_coloured_and_the_inside_shows_the_image() {
        let image = HuSlice {
            rows: 5,
            columns: 5,
            hu: vec![40; 25],
        };
        let mut labels = Array2::zeros((5, 5));
        labels.slice_mut(ndarray::s![1..4, 1..4]).fill(1_u8);
        let file = preview(&image, &labels).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let pixel = |row: usize, column: usize| &pixels[3 * (row * 5 + column)..][..3];
        assert_eq!(pixel(1, 1), COLOURS[0]);
        assert_eq!(pixel(2, 2), [127; 3]);
        assert_eq!(pixel(0, 0), [127; 3]);
    }
}
