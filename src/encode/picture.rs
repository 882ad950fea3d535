//! Any slice of a series as a picture for the page: a grey-value window, and outlines on it.

use ndarray::Array2;

use crate::volume::HuSlice;

/// Which Hounsfield units are black and white, as radiologists name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Window {
    Liver,
    SoftTissue,
    Lung,
    Bone,
}

impl Window {
    pub const ALL: [Self; 4] = [Self::Liver, Self::SoftTissue, Self::Lung, Self::Bone];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Liver => "liver",
            Self::SoftTissue => "soft",
            Self::Lung => "lung",
            Self::Bone => "bone",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.as_str() == name)
    }

    /// Black and white, HU: level 60 width 200, level 40 width 400, level -600 width 1500, level
    /// 400 width 1800.
    fn hu(self) -> [f32; 2] {
        match self {
            Self::Liver => [-40.0, 160.0],
            Self::SoftTissue => [-160.0, 240.0],
            Self::Lung => [-1350.0, 150.0],
            Self::Bone => [-500.0, 1300.0],
        }
    }
}

/// A pixel on the edge of a label: its index in the slice, row by row, and the label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EdgePixel {
    pub at: u32,
    pub label: u8,
}

/// The inner edge of every label of a slice: much smaller than the labels themselves.
#[must_use]
pub fn edges(labels: &Array2<u8>) -> Vec<EdgePixel> {
    let (_, columns) = labels.dim();
    let mut edges = Vec::new();
    for ((row, column), &label) in labels.indexed_iter() {
        if label == 0 {
            continue;
        }
        let neighbours = [
            (row.wrapping_sub(1), column),
            (row + 1, column),
            (row, column.wrapping_sub(1)),
            (row, column + 1),
        ];
        let same = |at| labels.get(at) == Some(&label);
        if !neighbours.into_iter().all(same) {
            // A slice has at most 65535 rows and columns.
            let at = u32::try_from(row * columns + column).unwrap_or(u32::MAX);
            edges.push(EdgePixel { at, label });
        }
    }
    edges
}

/// Black to white, then the edge of liver and tumour: the colours that Slicer and TotalSegmentator
/// use for them, sRGB. An indexed picture is a third of the size of a true-colour one.
const GREYS: usize = 254;
const EDGES: [[u8; 3]; 2] = [[221, 130, 101], [255, 0, 200]];

/// An indexed PNG of the slice with edges on it.
pub fn picture(
    slice: &HuSlice,
    window: Window,
    edges: &[EdgePixel],
) -> Result<Vec<u8>, png::EncodingError> {
    let [black, white] = window.hu();
    let grey = |hu: &i16| {
        let share = ((f32::from(*hu) - black) / (white - black)).clamp(0.0, 1.0);
        (share * (GREYS - 1) as f32) as u8
    };
    let mut pixels: Vec<u8> = slice.hu.iter().map(grey).collect();
    for edge in edges {
        let colour = usize::from(edge.label).min(EDGES.len());
        if let Some(pixel) = pixels.get_mut(edge.at as usize) {
            *pixel = (GREYS + colour - 1) as u8;
        }
    }
    let greys = (0..GREYS).map(|grey| [(grey * 255 / (GREYS - 1)) as u8; 3]);
    let palette: Vec<u8> = greys.chain(EDGES).flatten().collect();
    let mut png = Vec::new();
    let (columns, rows) = (slice.columns as u32, slice.rows as u32);
    let mut encoder = png::Encoder::new(&mut png, columns, rows);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    // It is made for one look; speed counts more than size.
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RGB of each pixel.
    fn decoded(file: &[u8]) -> Vec<[u8; 3]> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        pixels.chunks(3).map(|p| [p[0], p[1], p[2]]).collect()
    }

    fn slice(hu: Vec<i16>, columns: usize) -> HuSlice {
        HuSlice {
            rows: hu.len() / columns,
            columns,
            hu,
        }
    }

    #[test]
    fn a_window_goes_from_black_to_white() {
        for window in Window::ALL {
            let [black, white] = window.hu();
            let hu = [i16::MIN, black as i16, white as i16, i16::MAX];
            let file = picture(&slice(hu.to_vec(), 4), window, &[]).unwrap();
            let greys: Vec<u8> = decoded(&file).iter().map(|pixel| pixel[0]).collect();
            assert_eq!(greys, [0, 0, 255, 255], "{window:?}");
            assert_eq!(Window::named(window.as_str()), Some(window));
        }
    }

    #[test]
    fn only_the_edge_of_a_label_is_drawn_and_the_inside_shows_the_image() {
        let mut labels = Array2::zeros((5, 5));
        labels.slice_mut(ndarray::s![1..4, 1..4]).fill(1_u8);
        labels[[4, 4]] = 2;
        let edges = edges(&labels);
        assert_eq!(edges.len(), 9);
        let file = picture(&slice(vec![60; 25], 5), Window::Liver, &edges).unwrap();
        let pixels = decoded(&file);
        assert_eq!(pixels[5 + 1], EDGES[0]);
        assert_eq!(pixels[24], EDGES[1]);
        assert_eq!(pixels[2 * 5 + 2], pixels[0], "the middle is the image");
        assert_eq!(pixels[0][0], pixels[0][1], "the image is grey");
    }
}
