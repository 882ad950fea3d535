//! `/api/status` says what its schema promises, and the schema keeps what it promised first.
//!
//! The schema uses a few words of JSON Schema; this understands exactly those and fails on others.

use serde_json::{Value, json};

use crate::harness::{
    appliance::Hepar, modality::Modality, pacs::Pacs, phantoms::Series, wait_for,
};

fn schema() -> Value {
    serde_json::from_str(include_str!("../status.schema.json")).unwrap()
}

/// What is wrong with `value`, by place.
fn problems(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                problems(root, root.pointer(pointer).unwrap(), value, at, found);
            }
            "type" => {
                let one = std::slice::from_ref(rule);
                let names = rule.as_array().map_or(one, Vec::as_slice);
                if !names.iter().any(|name| is_a(value, name.as_str().unwrap())) {
                    found.push(format!("{at} is {value}, not {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().unwrap().contains(value) {
                    found.push(format!("{at} is {value}, none of {rule}"));
                }
            }
            "required" => {
                let missing = rule.as_array().unwrap().iter().filter(|name| {
                    value.is_object() && value.get(name.as_str().unwrap()).is_none()
                });
                found.extend(missing.map(|name| format!("{at} lacks {name}")));
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        problems(root, rule, value, &format!("{at}.{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    problems(root, rule, value, &format!("{at}.{name}"), found);
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    problems(root, rule, value, &format!("{at}[{index}]"), found);
                }
            }
            other => panic!("the schema says {other:?}, which this test does not understand"),
        }
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("no type of JSON: {other}"),
    }
}

fn check(status: &Value) {
    let (schema, mut found) = (schema(), Vec::new());
    problems(&schema, &schema, status, "status", &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn real_answers_are_what_the_schema_says() {
    let pacs = Pacs::down(&[]);
    let hepar = Hepar::setup().sending_to(&pacs).accepting("CT1").start();
    check(&hepar.status());

    let modality = Modality::dcmsend(&[]);
    let series = Series::small_abdomen(910);
    modality
        .send(hepar.address(), &series.files)
        .expect_all(series.len());
    let short = Series::three_slices(911);
    modality
        .send(hepar.address(), &short.files)
        .expect_all(short.len());
    let stranger = Modality::dcmsend(&[]).named("STRANGER");
    let _refused = stranger.send(hepar.address(), &short.files);
    hepar.wait_for_end(&short.uid);
    hepar.wait_for_series(&series.uid, "tried once", |found| {
        found["destinations"][0]["last_error"].is_string()
    });
    let status = wait_for("the refused caller to be listed", || {
        let status = hepar.status();
        (!status["refused"].as_array().unwrap().is_empty()).then_some(status)
    });
    check(&status);
    let listed = status["series"].as_array().unwrap();
    let segmented = listed.iter().find(|found| found["id"] == *series.uid);
    let gates = segmented.unwrap()["gates"].as_array().unwrap();
    let codes: Vec<_> = gates.iter().map(|gate| &gate["code"]).collect();
    assert!(codes.contains(&&"liver-volume".into()), "{codes:?}");
    assert_eq!(status["callers"][0]["calling_ae"], "CT1");
    assert_eq!(status["callers"][0]["associations"], 2);
    assert_eq!(status["refused"][0]["calling_ae"], "STRANGER");
    assert_eq!(status["light"], "amber");
}

#[test]
fn the_schema_keeps_what_was_promised_first() {
    let schema = schema();
    let promised = ["ready", "engine", "series", "counts", "disk", "board"];
    let of_series = [
        "id",
        "state",
        "reason",
        "instances_received",
        "slices_encoded",
        "received_at",
        "finished_at",
        "destinations",
        "lesions",
        "liver_ml",
        "tumour_ml",
    ];
    let required = |place: &str, names: &[&str]| {
        let required = schema.pointer(place).unwrap().as_array().unwrap();
        for name in names {
            assert!(required.contains(&json!(name)), "{place} lacks {name}");
        }
    };
    required("/required", &promised);
    required("/$defs/series/required", &of_series);
    required(
        "/properties/engine/required",
        &["name", "device", "model", "version"],
    );
    let delivery = "/$defs/series/properties/destinations/items/required";
    required(delivery, &["name", "state", "attempts"]);
}

#[test]
fn an_answer_that_breaks_its_promise_is_noticed() {
    let schema = schema();
    let wrong = json!({"ready": "yes", "light": "blue", "series": [{"id": 1}]});
    let mut found = Vec::new();
    problems(&schema, &schema, &wrong, "status", &mut found);
    for problem in [
        "status lacks \"disk\"",
        "status.ready is",
        "status.light is",
        "status.series[0].id",
    ] {
        assert!(
            found.iter().any(|words| words.starts_with(problem)),
            "{problem}: {found:#?}"
        );
    }
}
