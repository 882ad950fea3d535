use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::*;

/// The variables that each message of a file names.
fn messages(source: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut messages = BTreeMap::new();
    let mut current = "";
    for line in source.lines() {
        if let Some((key, _)) = line
            .split_once(" =")
            .filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            current = key;
            let before = messages.insert(key, BTreeSet::new());
            assert_eq!(before, None, "{key} stands in the file twice");
        }
        let variables: &mut BTreeSet<_> = match messages.get_mut(current) {
            Some(variables) if !line.starts_with('#') => variables,
            _ => continue,
        };
        variables.extend(line.split('$').skip(1).filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .next()
        }));
    }
    messages
}

#[test]
fn every_language_says_everything_with_the_same_variables() {
    let (_, english) = SOURCES.iter().find(|(tag, _)| *tag == "en").unwrap();
    let expected = messages(english);
    assert!(SOURCES.len() > 1, "there is more than English");
    for (tag, source) in SOURCES {
        if let Err((_, errors)) = FluentResource::try_new((*source).to_owned()) {
            panic!("{tag}: {errors:?}");
        }
        let found = messages(source);
        let keys = |messages: &BTreeMap<&str, _>| -> BTreeSet<String> {
            messages.keys().map(ToString::to_string).collect()
        };
        assert_eq!(keys(&found), keys(&expected), "keys of {tag}");
        for (key, variables) in &expected {
            assert_eq!(found[key], *variables, "variables of {key} in {tag}");
        }
    }
}

/// Every template and every Rust file but this one below `directory`.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(OsStr::to_str);
        if path.is_dir() {
            sources(&path, found);
        } else if matches!(extension, Some("rs" | "html")) && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_message_that_a_template_or_the_code_names_exists() {
    let status = concat!(env!("CARGO_MANIFEST_DIR"), "/src/status");
    let mut files = Vec::new();
    sources(status.as_ref(), &mut files);
    let mut named = BTreeMap::new();
    for path in files {
        let source = std::fs::read_to_string(&path).unwrap();
        let calls = ["say(", "tell("].map(|call| source.split(call).skip(1));
        for rest in calls.into_iter().flatten() {
            // A key that is made up at run time is a matter of other tests.
            let Some(rest) = rest.trim_start().strip_prefix('"') else {
                continue;
            };
            let (key, _) = rest.split_once('"').unwrap();
            let known = Language::english().messages.has_message(key);
            assert!(known, "{key} in {}", path.display());
            *named
                .entry(path.extension().unwrap().to_owned())
                .or_insert(0) += 1;
        }
    }
    let named = ["html", "rs"].map(|kind| named[OsStr::new(kind)]);
    assert!(named[0] > 10 && named[1] > 50, "{named:?}");
}

#[test]
fn a_browser_gets_the_first_language_it_asks_for_that_there_is() {
    let cases = [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh", "zh-CN"),
        ("fr, en;q=0.5", "en"),
        ("en;q=0.1, zh;q=0.9", "zh-CN"),
        ("zh;q=0, en", "en"),
        ("*", "en"),
        ("\u{0};;q=x,,", "en"),
    ];
    for (header, tag) in cases {
        assert_eq!(Language::accepted(header).tag, tag, "{header:?}");
    }
}

#[test]
fn numbers_decide_the_form_of_a_sentence() {
    let lesions = |language: &Language, n: usize| {
        language.tell(
            "row-result",
            &[
                ("liver", "1512".into()),
                ("lesions", FluentValue::from(n)),
                ("tumour", "14.2".into()),
            ],
        )
    };
    let english = Language::english();
    assert_eq!(lesions(english, 0), "Liver 1512 ml, no lesion found");
    assert_eq!(lesions(english, 1), "Liver 1512 ml, 1 lesion, 14.2 ml");
    assert_eq!(lesions(english, 2), "Liver 1512 ml, 2 lesions, 14.2 ml");
    let chinese = Language::named("zh-CN").unwrap();
    assert_eq!(lesions(chinese, 2), "肝脏 1512 ml，2 个病灶，14.2 ml");
}
