//! What the radiologist opens: DICOM SEG.
