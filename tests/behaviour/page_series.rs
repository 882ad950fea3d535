//! The page of a series: pictures of every slice, and answers to addresses that nobody should ask.

use crate::harness::{appliance::Hepar, modality::Modality, phantoms::Series};

/// `IHDR` of a PNG: width and height.
fn size(png: &[u8]) -> [u32; 2] {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

#[test]
fn every_slice_can_be_looked_at_and_nothing_else() {
    let hepar = Hepar::start();
    let series = Series::small_abdomen(920);
    Modality::dcmsend(&[])
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    hepar.wait_for_state(&series.uid, "delivered");

    let slice = |rest: &str| {
        let path = format!("/series/{}/slices/{rest}", series.uid);
        hepar.get(&path).unwrap()
    };
    let mut pictures = Vec::new();
    for window in ["liver", "soft", "lung", "bone"] {
        let answer = slice(&format!("12.png?window={window}"));
        assert_eq!(answer.status, 200, "{window}");
        assert_eq!(size(&answer.body), [128, 128], "{window}");
        assert!(
            !pictures.contains(&answer.body),
            "{window} is a window of its own"
        );
        pictures.push(answer.body);
    }
    for number in [1, series.len()] {
        assert_eq!(slice(&format!("{number}.png")).status, 200, "{number}");
    }
    let nonsense = [
        "0.png",
        "25.png",
        "-1.png",
        "1.jpg",
        "99999999999999999999.png",
        "..%2F..%2Fjournal.db",
        "%00.png",
    ];
    for rest in nonsense {
        assert_eq!(slice(rest).status, 404, "{rest}");
    }
    assert_eq!(
        slice("12.png?window=x-ray").status,
        200,
        "else the liver window"
    );

    let page = |path: &str| hepar.get(path).unwrap();
    let first = page("/");
    assert!(first.body.len() < 100_000, "{} bytes", first.body.len());
    assert!(page(&format!("/series/{}?slice=9999&window=%3Cb%3E", series.uid)).status == 200);
    for path in [
        "/series/1.2.3",
        "/series/1.2.3/slices/1.png",
        "/series/x",
        "/assets/none.css",
        "/series/1.2.3/again/send-again",
        "/series/1.2.3/again/delete",
    ] {
        assert_eq!(page(path).status, 404, "{path}");
    }
}
