//! Slices that cannot be what they claim are set aside with a reason, and the next series is served.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject};

use crate::harness::{
    appliance::Hepar,
    kept::{quarantine_reason, uid_of},
    modality::Modality,
    objects::edit,
    phantoms::Series,
    wait_for,
};

type Damage = (&'static str, fn(&mut DefaultDicomObject));

fn short(tag: Tag, value: u16) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

#[test]
fn absurd_slices_do_not_stop_the_next_series() {
    let damages: [Damage; 8] = [
        ("64k by 64k", |object| {
            object.put(short(tags::ROWS, u16::MAX));
            object.put(short(tags::COLUMNS, u16::MAX));
        }),
        ("no rows", |object| {
            object.put(short(tags::ROWS, 0));
        }),
        ("one bit", |object| {
            object.put(short(tags::BITS_ALLOCATED, 1));
            object.put(short(tags::BITS_STORED, 1));
            object.put(short(tags::HIGH_BIT, 0));
        }),
        ("colour", |object| {
            object.put(short(tags::SAMPLES_PER_PIXEL, 3));
        }),
        ("no pixels", |object| {
            object.remove_element(tags::PIXEL_DATA);
        }),
        ("half the pixels", |object| {
            let bytes = object
                .element(tags::PIXEL_DATA)
                .unwrap()
                .to_bytes()
                .unwrap();
            let half = bytes[..bytes.len() / 2].to_vec();
            object.put(DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::from(half),
            ));
        }),
        ("no position", |object| {
            object.remove_element(tags::IMAGE_POSITION_PATIENT);
        }),
        ("no spacing", |object| {
            object.remove_element(tags::PIXEL_SPACING);
        }),
    ];
    let hepar = Hepar::start();
    for (seed, (what, damage)) in (930..).zip(damages) {
        let series = Series::small_abdomen(seed);
        for file in &series.files {
            edit(file, damage);
        }
        let sent = Modality::pynetdicom(&[]).send(hepar.address(), &series.files);
        assert_eq!(sent.end(), "released", "{what}: every slice is answered");
        assert!(sent.statuses().iter().all(Option::is_some), "{what}");
        // Either no slice could be read, or the series has an end with a reason.
        wait_for("an answer in words", || {
            let all_aside = series.files.iter().all(|file| {
                let reason = quarantine_reason(hepar.state_dir(), &uid_of(file));
                reason.is_some_and(|words| words.trim().contains(' '))
            });
            let found = hepar.series(&series.uid);
            let ended = found.is_some_and(|found| {
                assert_ne!(found["state"], "delivered", "{what}: {found}");
                found["state"] != "receiving" && found["reason"].is_string()
            });
            (all_aside || ended).then_some(())
        });
    }
    let clean = Series::small_abdomen(940);
    Modality::dcmsend(&[])
        .send(hepar.address(), &clean.files)
        .expect_all(clean.len());
    hepar.wait_for_state(&clean.uid, "delivered");
}

#[test]
fn one_damaged_slice_is_set_aside_and_named() {
    let hepar = Hepar::start();
    let series = Series::small_abdomen(945);
    edit(&series.files[12], |object| {
        object.put(short(tags::ROWS, 0));
    });
    let sent = Modality::pynetdicom(&[]).send(hepar.address(), &series.files);
    assert_eq!(sent.end(), "released");
    let end = hepar.wait_for_end(&series.uid);
    assert!(
        ["delivered", "refused", "failed"].contains(&end["state"].as_str().unwrap()),
        "{end}"
    );
    let page = hepar.get(&format!("/series/{}", series.uid)).unwrap();
    let page = String::from_utf8(page.body).unwrap();
    assert!(
        page.contains("missing between") || end["reason"].is_string(),
        "{end}"
    );
}
