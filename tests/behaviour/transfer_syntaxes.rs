//! Every transfer syntax that is accepted is decoded, and to the same picture.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::harness::{
    appliance::Hepar,
    cli::{hepar_in, run},
    modality::Modality,
    phantoms::Series,
    place::{python, tool},
};

/// UID of a transfer syntax, the program that writes it, and that program's options.
pub type Syntax = (&'static str, &'static str, &'static [&'static str]);

/// Transfer syntaxes that keep every bit.
pub const LOSSLESS: [Syntax; 10] = [
    ("1.2.840.10008.1.2", "dcmconv", &["+ti"]),
    ("1.2.840.10008.1.2.1", "dcmconv", &["+te"]),
    ("1.2.840.10008.1.2.1.99", "dcmconv", &["+td"]),
    ("1.2.840.10008.1.2.2", "dcmconv", &["+tb"]),
    ("1.2.840.10008.1.2.4.57", "dcmcjpeg", &["+el", "+sv", "4"]),
    ("1.2.840.10008.1.2.4.70", "dcmcjpeg", &["+e1"]),
    ("1.2.840.10008.1.2.4.80", "dcmcjpls", &["+el"]),
    ("1.2.840.10008.1.2.4.90", "python", &[]),
    ("1.2.840.10008.1.2.5", "dcmcrle", &[]),
    ("1.2.840.10008.1.2.1.98", "python", &[]),
];

/// Transfer syntaxes that change the pixels a little.
pub const LOSSY: [Syntax; 4] = [
    ("1.2.840.10008.1.2.4.50", "dcmcjpeg", &["+eb", "+q", "100"]),
    ("1.2.840.10008.1.2.4.51", "dcmcjpeg", &["+ee", "+q", "100"]),
    ("1.2.840.10008.1.2.4.81", "dcmcjpls", &["+en", "+md", "2"]),
    ("1.2.840.10008.1.2.4.91", "python", &[]),
];

/// Writes `file` in another transfer syntax into `directory`, under the same name and UIDs.
pub fn transcode(file: &Path, directory: &Path, (syntax, program, options): Syntax) -> PathBuf {
    let out = directory.join(file.file_name().unwrap());
    let mut command = if program == "python" {
        let mut command = python("peers/transcode.py");
        command.arg(syntax);
        command
    } else {
        let mut command = tool(program);
        command.args(options);
        // Not a new instance: the same one in other clothes.
        if program != "dcmconv" {
            command.arg("+un");
        }
        command
    };
    command.arg(file).arg(&out);
    run(program, &mut command).expect_success();
    let written = dicom_object::open_file(&out).unwrap();
    assert_eq!(written.meta().transfer_syntax(), syntax, "{program}");
    out
}

/// Each slice in the next syntax of the list: every syntax is there, and neighbours differ.
fn transcoded(series: &Series, directory: &Path, syntaxes: &[Syntax]) -> Vec<PathBuf> {
    fs::create_dir_all(directory).unwrap();
    let files = series.files.iter().zip(syntaxes.iter().cycle());
    files
        .map(|(file, syntax)| transcode(file, directory, *syntax))
        .collect()
}

/// What `segment` makes of a directory: the labels as bytes, the liver in ml.
fn segmented(home: &Path, directory: &Path) -> (Vec<u8>, f64) {
    let out = home.join("out").join(directory.file_name().unwrap());
    let arguments = [
        "segment".as_ref(),
        directory,
        "--out".as_ref(),
        out.as_path(),
    ];
    hepar_in(home, &arguments).expect_success();
    let result = fs::read(out.join("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_slice(&result).unwrap();
    let labels = fs::read(out.join("labels.npy")).unwrap();
    (labels, result["liver_ml"].as_f64().unwrap())
}

#[test]
fn whatever_lossless_syntax_a_scanner_chooses_the_same_labels_come_out() {
    let hepar = Hepar::start();
    let series = Series::small_abdomen(130);
    let directory = hepar.home().join("transcoded");
    let files = transcoded(&series, &directory, &LOSSLESS);

    Modality::pynetdicom(&[])
        .send(hepar.address(), &files)
        .expect_all(files.len());
    let end = hepar.wait_for_state(&series.uid, "delivered");
    assert_eq!(end["instances_received"], 24, "{end}");

    let plain = segmented(hepar.home(), series.directory());
    let packed = segmented(hepar.home(), &directory);
    assert!(plain.0 == packed.0, "a lossless syntax changed the labels");
    assert_eq!(end["liver_ml"].as_f64(), Some(plain.1));
}

#[test]
fn a_lossy_syntax_changes_the_liver_little() {
    let hepar = Hepar::start();
    let series = Series::small_abdomen(131);
    let directory = hepar.home().join("transcoded");
    let files = transcoded(&series, &directory, &LOSSY);

    Modality::pynetdicom(&[])
        .send(hepar.address(), &files)
        .expect_all(files.len());
    let end = hepar.wait_for_state(&series.uid, "delivered");
    let liver = end["liver_ml"].as_f64().unwrap();
    let (_, plain) = segmented(hepar.home(), series.directory());
    assert!(
        (liver / plain - 1.0).abs() < 0.1,
        "{plain} ml became {liver} ml"
    );
}

#[test]
fn a_dcmtk_scanner_may_propose_any_syntax() {
    let hepar = Hepar::start();
    let series = Series::three_slices(132);
    let proposals: [(&str, Syntax); 9] = [
        ("-xi", LOSSLESS[0]),
        ("-xe", LOSSLESS[1]),
        ("-xd", LOSSLESS[2]),
        ("-xb", LOSSLESS[3]),
        ("-xs", LOSSLESS[5]),
        ("-xt", LOSSLESS[6]),
        ("-xv", LOSSLESS[7]),
        ("-xr", LOSSLESS[8]),
        ("-xx", LOSSY[1]),
    ];
    for (option, syntax) in proposals {
        let directory = hepar.home().join(option);
        let files = transcoded(&series, &directory, &[syntax]);
        Modality::storescu(&[option])
            .send(hepar.address(), &files)
            .expect_all(files.len());
        Modality::dcmsend(&["--decompress-never"])
            .send(hepar.address(), &files)
            .expect_all(files.len());
    }
}
