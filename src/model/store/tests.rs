use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::{
    model::testing::{self, Maker, golden},
    spool::tests::power_cut::{Image, PowerCut},
};

fn contents(version: &str, maker: &Maker) -> Contents {
    let package = testing::package(&testing::files(version, &golden(16), Some(maker)));
    Contents::from_package(&package[..], &maker.trust()).unwrap()
}

fn id(version: &str) -> BundleId {
    BundleId::of("liver-tumour", version).unwrap()
}

fn install<D: Disk>(editor: &Editor<D>, version: &str, maker: &Maker) -> Result<(), StoreError> {
    let (id, _) = editor.keep(contents(version, maker), &maker.trust())?;
    let selection = editor.store().selection()?;
    editor.select(&selection.with(Choice::Installed(id)))
}

#[test]
fn what_was_installed_last_is_selected_and_loads_as_it_was_signed() {
    let (maker, state) = (Maker::new(), TempDir::new().unwrap());
    let editor = Editor::open(state.path()).unwrap();
    install(&editor, "1.0.0", &maker).unwrap();
    install(&editor, "1.1.0", &maker).unwrap();

    let store = Store::of(state.path());
    let current = store.selection().unwrap().current();
    assert_eq!(current, Choice::Installed(id("1.1.0")));
    let bundle = store.load(&id("1.1.0"), &maker.trust()).unwrap();
    assert_eq!(bundle.manifest.version, "1.1.0");
    assert_eq!(store.installed().unwrap(), [id("1.0.0"), id("1.1.0")]);
    assert!(
        store.load(&id("1.1.0"), &Maker::new().trust()).is_err(),
        "a key that is no longer trusted"
    );
}

#[test]
fn the_same_version_with_other_contents_is_refused() {
    let (maker, state) = (Maker::new(), TempDir::new().unwrap());
    let editor = Editor::open(state.path()).unwrap();
    install(&editor, "1.0.0", &maker).unwrap();
    install(&editor, "1.0.0", &maker).unwrap();

    let mut files = testing::files("1.0.0", &golden(16), None);
    let manifest = String::from_utf8(files[0].1.clone()).unwrap();
    files[0].1 = manifest
        .replace("closing-mm = 5.0", "closing-mm = 4.0")
        .into_bytes();
    files.insert(1, ("bundle.toml.minisig", maker.sign(&files[0].1)));
    let other = Contents::from_package(&testing::package(&files)[..], &maker.trust()).unwrap();
    let error = editor.keep(other, &maker.trust()).unwrap_err();
    assert!(matches!(error, StoreError::Different(_)), "{error}");
}

#[test]
fn a_damaged_installation_is_repaired_by_installing_again() {
    let (maker, state) = (Maker::new(), TempDir::new().unwrap());
    let editor = Editor::open(state.path()).unwrap();
    install(&editor, "1.0.0", &maker).unwrap();
    let encoder = editor.store.path_of(&id("1.0.0")).join("encoder.onnx");
    fs::write(&encoder, b"encodeR").unwrap();
    assert!(editor.store.load(&id("1.0.0"), &maker.trust()).is_err());
    install(&editor, "1.0.0", &maker).unwrap();
    assert!(editor.store.load(&id("1.0.0"), &maker.trust()).is_ok());
}

#[test]
fn tidying_keeps_what_can_be_gone_back_to() {
    let (maker, state) = (Maker::new(), TempDir::new().unwrap());
    let editor = Editor::open(state.path()).unwrap();
    for version in ["1", "2", "3", "4", "5", "6"] {
        install(&editor, version, &maker).unwrap();
        editor.tidy().unwrap();
    }
    assert_eq!(
        editor.store.installed().unwrap(),
        ["3", "4", "5", "6"].map(id)
    );
}

#[test]
fn only_one_command_changes_the_store_at_a_time() {
    let state = TempDir::new().unwrap();
    let _first = Editor::open(state.path()).unwrap();
    let second = Editor::open(state.path()).unwrap_err();
    assert!(
        matches!(&second, StoreError::Disk { step: "take", .. }),
        "{second}"
    );
}

/// An installation without the reading back, which is not a change.
fn write_and_select<D: Disk>(
    editor: &Editor<D>,
    version: &str,
    maker: &Maker,
) -> Result<(), StoreError> {
    editor.write(
        &editor.store.path_of(&id(version)),
        &contents(version, maker),
    )?;
    editor.select(&Selection::default().with(Choice::Installed(id(version))))
}

/// Power is lost before every step of an update from 1.0.0 to 1.1.0, and the disk is then found in
/// every state that is possible.
#[test]
fn a_power_cut_at_any_step_leaves_the_old_bundle_or_the_new_one_selected_and_whole() {
    let maker = Maker::new();
    let home = Path::new("state");
    let before = PowerCut::holding(&Image::new());
    let editor = Editor::on(&before, home).unwrap();
    write_and_select(&editor, "1.0.0", &maker).unwrap();
    let start: Image = before
        .images()
        .into_iter()
        .next_back()
        .unwrap()
        .into_iter()
        .collect();

    let (mut steps, mut old, mut new) = (0, 0, 0);
    loop {
        let mut finished = false;
        for quarters in [0, 2] {
            let disk = PowerCut::holding(&start);
            disk.cut_after(steps);
            disk.tear_after(quarters);
            let editor = Editor::on(&disk, home).unwrap();
            finished = write_and_select(&editor, "1.1.0", &maker).is_ok();
            for image in disk.images() {
                let state = TempDir::new().unwrap();
                for (path, bytes) in image {
                    let path = state.path().join(path);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, bytes).unwrap();
                }
                let store = Store::of(&state.path().join(home));
                let Choice::Installed(id) = store.selection().unwrap().current() else {
                    panic!("the selection was lost at step {steps}");
                };
                let bundle = store.load(&id, &maker.trust()).unwrap();
                match bundle.manifest.version.as_str() {
                    "1.0.0" => old += 1,
                    _ => new += 1,
                }
                assert!(!finished || bundle.manifest.version == "1.1.0");
            }
        }
        if finished {
            break;
        }
        steps += 1;
    }
    assert!(steps > 8 && old > 0 && new > 0, "{steps} {old} {new}");
}
