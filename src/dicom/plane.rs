use serde::{Deserialize, Serialize};

/// One slice's plane, as read from the data set: the Image Plane module of a single-frame image or
/// the plane functional groups of one frame of an enhanced image (PS3.3 C.7.6.2, C.7.6.16.2.3-4).
///
/// LPS patient axes, millimetres. `position` is the *centre* of the first transmitted voxel.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Plane {
    /// ImagePositionPatient.
    pub position: [f64; 3],
    /// First triple of ImageOrientationPatient: the direction of increasing column index.
    pub row_cosines: [f64; 3],
    /// Second triple of ImageOrientationPatient: the direction of increasing row index.
    pub column_cosines: [f64; 3],
    /// PixelSpacing: between rows (vertical), then between columns (horizontal), PS3.3 §10.7.1.3.
    pub pixel_spacing: [f64; 2],
}

/// The same plane as its sender wrote it: decimal strings, values separated by backslashes.
///
/// A result repeats these characters. Viewers compare the positions of a mask and of the image
/// under it, and a number printed anew is another number to some of them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PlaneText {
    pub position: String,
    pub orientation: String,
    pub pixel_spacing: String,
    pub slice_thickness: Option<String>,
}
