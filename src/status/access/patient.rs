//! The patient of a series, for users who may see patients and for nobody else.
//!
//! The journal holds no patient, so that no page and no log can show one by mistake; the name is
//! read from the result's own file when somebody who may see it opens the series' page.

use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, OpenFileOptions};

use super::viewer::Viewer;

/// As a result of ours repeats it from the scanner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Patient {
    /// `Doe, Jane`; the groups of a name in several scripts after each other.
    pub name: String,
    pub id: String,
}

impl Patient {
    /// The patient in a result's file; `None` where there is no result, or where `viewer` may not
    /// see patients. Call it where blocking is allowed.
    #[must_use]
    pub fn for_viewer(viewer: &Viewer, result: &Path) -> Option<Self> {
        if !viewer.sees_patients() {
            return None;
        }
        let upto = OpenFileOptions::new().read_until(tags::PATIENT_BIRTH_DATE);
        let object = upto.open_file(result).ok()?;
        Some(Self {
            name: spoken(&text(&object, tags::PATIENT_NAME)),
            id: text(&object, tags::PATIENT_ID),
        })
    }
}

fn text(object: &DefaultDicomObject, tag: dicom_core::Tag) -> String {
    let element = object.element_opt(tag).ok().flatten();
    let text = element.and_then(|element| element.to_str().ok());
    text.unwrap_or_default().trim().to_owned()
}

/// PS3.5 6.2.1.2: groups are separated by `=`, components by `^`, family name first.
fn spoken(name: &str) -> String {
    let groups = name.split('=').filter_map(|group| {
        let mut parts = group
            .split('^')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let family = parts.next()?;
        let given: Vec<_> = parts.collect();
        Some(match given[..] {
            [] => family.to_owned(),
            _ => format!("{family}, {}", given.join(" ")),
        })
    });
    groups.collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_people_write_them() {
        for (sent, shown) in [
            ("Doe^Jane", "Doe, Jane"),
            ("Doe^Jane^Mary^Dr", "Doe, Jane Mary Dr"),
            ("Wang^XiaoDong=王^小东", "Wang, XiaoDong · 王, 小东"),
            ("Doe", "Doe"),
            ("^^", ""),
            ("", ""),
        ] {
            assert_eq!(spoken(sent), shown, "{sent}");
        }
    }

    #[test]
    fn who_has_no_name_sees_no_patient() {
        let result = Path::new("/nonexistent");
        let shared = Viewer {
            patients: true,
            ..Viewer::default()
        };
        assert!(!shared.sees_patients());
        assert_eq!(Patient::for_viewer(&shared, result), None);
    }
}
