//! Every file that a fuzzer found, and every seed it began with, goes through every door again.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use dicom_dictionary_std::tags;
use dicom_object::DefaultDicomObject;
use hepar::dicom::{
    Uid,
    commitment::{self, Referenced},
};
use tempfile::TempDir;

use super::transfer_syntaxes::{LOSSLESS, LOSSY, transcode};
use crate::harness::{
    appliance::Hepar,
    figures,
    kept::instances,
    modality::Modality,
    phantoms::{Series, small_abdomen},
    wire::{
        ASSOCIATE_RQ, COMMAND, CT_IMAGE_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN,
        IMPLICIT_VR_LITTLE_ENDIAN, LAST, P_DATA, association_request, echo_request, report_request,
        store_request,
    },
};

fn root(directory: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)
}

/// The files of a target in `directory`; none where it has none.
fn files(directory: &str, target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root(directory).join(target));
    let entries = entries.into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn seeds_and_finds_come_back_from_every_door_in_good_time() {
    let mut played = [0, 0];
    for (name, target) in targets::ALL {
        let mut accepted = 0;
        for (count, directory) in played.iter_mut().zip(["fuzz/seeds", "tests/regressions"]) {
            for file in files(directory, name) {
                let bytes = fs::read(&file).unwrap();
                let start = Instant::now();
                accepted += u32::from(target(&bytes));
                let took = start.elapsed();
                assert!(took < Duration::from_secs(20), "{file:?} took {took:?}");
                *count += 1;
            }
        }
        assert!(accepted > 0, "no seed of {name} gets past the door");
    }
    let [seeds, finds] = played;
    figures::report("replay", &format!("Seeds: {seeds}. Former finds: {finds}."));
}

#[test]
fn each_door_has_its_fuzzer_and_shares_the_appliances_dependencies() {
    let manifest =
        |path| -> toml::Table { fs::read_to_string(root(path)).unwrap().parse().unwrap() };
    let (fuzz, own) = (manifest("fuzz/Cargo.toml"), manifest("Cargo.toml"));
    let programs = fuzz["bin"].as_array().unwrap().iter();
    let programs: Vec<_> = programs.map(|bin| bin["name"].as_str().unwrap()).collect();
    assert_eq!(programs, targets::ALL.map(|(name, _)| name));
    for (name, wanted) in fuzz["dependencies"].as_table().unwrap() {
        if !["libfuzzer-sys", "tempfile"].contains(&name.as_str()) {
            assert_eq!(Some(wanted), own["dependencies"].get(name), "{name}");
        }
    }
}

/// Writes `fuzz/seeds` anew, by our own encoders and other people's. Not a test: run it by name when
/// a format changes, and commit what it wrote.
#[test]
#[ignore = "writes files"]
fn write_the_seeds() {
    let slice = Series::of(&hepar::phantom::PhantomSpec {
        rows: 48,
        columns: 48,
        slices: 3,
        ..small_abdomen(1)
    });
    let file = &slice.files[1];
    let object = dicom_object::open_file(file).unwrap();
    let mut data_set = Vec::new();
    object.write_dataset(&mut data_set).unwrap();

    wire_seeds(&data_set);
    slice_seeds(file);
    hostile_pixel_seeds();
    for (name, manifest) in [
        ("liver-tumour", "models/liver-tumour/bundle.toml"),
        ("example", "src/model/example.toml"),
    ] {
        write(
            "bundle",
            name,
            &behind(0, &fs::read(root(manifest)).unwrap()),
        );
    }
    write("bundle", "golden", &behind(1, &golden()));
    let mut package = tar::Builder::new(Vec::new());
    for (name, contents) in targets::bundle_files(&golden()) {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        package
            .append_data(&mut header, name, &contents[..])
            .unwrap();
    }
    write(
        "bundle",
        "package",
        &behind(2, &package.into_inner().unwrap()),
    );
    let default = fs::read_to_string(root("src/provision/hepar.toml")).unwrap();
    write("configuration", "default", default.as_bytes());
    // Explanations begin with # and a space, keys that are not in force with # alone.
    let lines = default
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "));
    let keys: Vec<&str> = lines.map(|line| line.trim_start_matches('#')).collect();
    let everything = keys.join("\n") + "\n";
    write("configuration", "everything", everything.as_bytes());

    let mut hepar = Hepar::start();
    Modality::dcmsend(&[])
        .send(hepar.address(), &slice.files)
        .expect_all(3);
    hepar.wait_for_end(&slice.uid);
    hepar.terminate();
    let kept = instances(hepar.state_dir());
    let file = fs::read(kept.values().next().unwrap()).unwrap();
    write("instance", "kept", &behind(4, &file));
    let journal = hepar.state_dir().join("journal.db");
    // Fewer and smaller pages: most of a journal is empty.
    let database = rusqlite::Connection::open(&journal).unwrap();
    database
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM;")
        .unwrap();
    drop(database);
    write("journal", "one-series", &fs::read(&journal).unwrap());
}

/// What one sender sends.
fn wire_seeds(data_set: &[u8]) {
    let pdu =
        |kind: u8, body: &[u8]| [&[kind, 0][..], &(body.len() as u32).to_be_bytes(), body].concat();
    let value_on = |context: u8, control: u8, bytes: &[u8]| {
        let length = (bytes.len() as u32 + 2).to_be_bytes();
        pdu(P_DATA, &[&length[..], &[context, control], bytes].concat())
    };
    let value = |control: u8, bytes: &[u8]| value_on(1, control, bytes);
    let contexts = [(1, CT_IMAGE_STORAGE, &[EXPLICIT_VR_LITTLE_ENDIAN][..])];
    let request = pdu(
        ASSOCIATE_RQ,
        &association_request("CT1", "HEPAR", 16384, &contexts),
    );
    let store = store_request(7, CT_IMAGE_STORAGE, "1.2.3");
    let (first, rest) = data_set.split_at(100);
    let stored = [
        request,
        value(COMMAND | LAST, &store),
        value(0, first),
        value(LAST, rest),
    ];
    write("association", "store", &stored.concat());
    write(
        "association",
        "echo",
        &value(COMMAND | LAST, &echo_request(1)),
    );
    let report = report_request();
    // What is asked for, in the same words, is what is reported when all of it is committed.
    let uid = |text: &str| Uid::parse(text).unwrap();
    let objects = ["1.2.3", "1.2.34"].map(|instance| Referenced {
        sop_class: uid(CT_IMAGE_STORAGE),
        sop_instance: uid(instance),
    });
    let syntax = uid(IMPLICIT_VR_LITTLE_ENDIAN);
    let reported = commitment::request(&uid("2.25.7"), &objects, &syntax);
    let told = [
        value_on(5, COMMAND | LAST, &report),
        value_on(5, LAST, &reported),
    ];
    write("association", "report", &told.concat());
    write("command_set", "report", &report);
    write("command_set", "store", &store);
    write("command_set", "echo", &echo_request(1));
}

/// One slice in every transfer syntax.
fn slice_seeds(file: &Path) {
    let scratch = TempDir::new().unwrap();
    for (n, syntax) in LOSSLESS.into_iter().chain(LOSSY).enumerate() {
        let written = transcode(file, scratch.path(), syntax);
        let object = dicom_object::open_file(&written).unwrap();
        match syntax.0 {
            "1.2.840.10008.1.2" => header_seed(0, &written),
            "1.2.840.10008.1.2.1" => {
                header_seed(1, &written);
                let pixels = object.element(tags::PIXEL_DATA).unwrap();
                pixel_seed("pixels_plain", n, 0, &pixels.to_bytes().unwrap());
            }
            "1.2.840.10008.1.2.2" => header_seed(2, &written),
            "1.2.840.10008.1.2.1.99" => header_seed(3, &written),
            "1.2.840.10008.1.2.1.98" => encapsulated_seed("pixels_plain", n, 1, &object),
            "1.2.840.10008.1.2.5" => encapsulated_seed("pixels_plain", n, 2, &object),
            "1.2.840.10008.1.2.4.50" => encapsulated_seed("pixels_jpeg", n, 0, &object),
            "1.2.840.10008.1.2.4.51" => encapsulated_seed("pixels_jpeg", n, 1, &object),
            "1.2.840.10008.1.2.4.57" => encapsulated_seed("pixels_jpeg", n, 2, &object),
            "1.2.840.10008.1.2.4.70" => encapsulated_seed("pixels_jpeg", n, 3, &object),
            "1.2.840.10008.1.2.4.80" => encapsulated_seed("pixels_jpeg_ls", n, 0, &object),
            "1.2.840.10008.1.2.4.81" => encapsulated_seed("pixels_jpeg_ls", n, 1, &object),
            "1.2.840.10008.1.2.4.90" => encapsulated_seed("pixels_jpeg_2000", n, 0, &object),
            _ => encapsulated_seed("pixels_jpeg_2000", n, 1, &object),
        }
    }
}

/// Small frames that want much memory, as slices of their announced size.
fn hostile_pixel_seeds() {
    // A frame of 65535 x 65535, where no segment can be, before the truthful one.
    let start_of_frame = |side: u16| {
        let side = side.to_be_bytes();
        [&[0xFF, 0xC3, 0, 11, 12][..], &side, &side, &[1, 1, 0x11, 0]].concat()
    };
    let hidden = [
        &[0xFF, 0xD8, 0xFF, 0x00, 0, 15][..],
        &start_of_frame(u16::MAX),
        &start_of_frame(48),
    ];
    let seed = [&[3, 1, 48, 0, 48, 0][..], &hidden.concat()].concat();
    write("pixels_jpeg", "hidden-frame", &seed);

    // 4096 x 4096 pixels in one tile, five levels, 32 layers, precincts of two pixels.
    let segment = |marker: u8, contents: &[u8]| {
        [&[0xFF, marker, 0, contents.len() as u8 + 2], contents].concat()
    };
    let [none, side] = [0_u32, 4096].map(u32::to_be_bytes);
    let size = [side, side, none, none, side, side, none, none].concat();
    let stream = [
        &[0xFF, 0x4F][..],
        &segment(0x51, &[&[0, 0], &*size, &[0, 1, 15, 1, 1]].concat()),
        &segment(
            0x52,
            &[&[1, 0, 0, 32, 0, 5, 4, 4, 0, 1][..], &[0x11; 6]].concat(),
        ),
        &segment(0x5C, &[&[0x40][..], &[0x80; 16]].concat()),
        &[0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 14, 0, 1, 0xFF, 0x93],
        &[0xFF, 0xD9],
    ];
    for (choice, name) in [(0, "many-precincts"), (2, "many-precincts-ht")] {
        let seed = [&[choice, 1, 0, 16, 0, 16][..], &stream.concat()].concat();
        write("pixels_jpeg_2000", name, &seed);
    }
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = root("fuzz/seeds").join(target);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), bytes).unwrap();
}

/// The data set of a file behind the byte that chooses its encoding.
fn header_seed(encoding: u8, file: &Path) {
    let bytes = fs::read(file).unwrap();
    // The meta group says how long it is: preamble, prefix, and its own element come before.
    let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    let seed = behind(encoding, &bytes[144 + length..]);
    write("instance", &format!("encoding-{encoding}"), &seed);
}

/// Bytes behind the one that says what they are.
fn behind(choice: u8, bytes: &[u8]) -> Vec<u8> {
    [&[choice], bytes].concat()
}

fn encapsulated_seed(target: &str, n: usize, choice: u8, object: &DefaultDicomObject) {
    let pixels = object.element(tags::PIXEL_DATA).unwrap();
    let fragments = pixels.fragments().expect("encapsulated").concat();
    pixel_seed(target, n, choice, &fragments);
}

/// A frame behind the bytes that say how it is to be decoded.
fn pixel_seed(target: &str, n: usize, choice: u8, frame: &[u8]) {
    // 8-bit baseline is the only syntax here whose stored values have 8 bits.
    let stored = u8::from(target == "pixels_jpeg" && choice == 0) * 3;
    let seed = [&[choice, stored, 48, 0, 48, 0], frame].concat();
    write(target, &format!("phantom-{n}"), &seed);
}

/// An archive of the arrays that a bundle of the smallest size has.
fn golden() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut npz = ndarray_npy::NpzWriter::new_compressed(&mut bytes);
    let image = ndarray::Array4::<f32>::zeros((1, 3, 32, 32));
    let logits = ndarray::Array4::<f32>::ones((1, 3, 16, 16));
    npz.add_array("image", &image).unwrap();
    npz.add_array("logits", &logits).unwrap();
    npz.finish().unwrap();
    bytes.into_inner()
}
