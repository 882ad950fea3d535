use super::*;
use crate::{
    mask::{
        measure,
        testing::{ball, paint, stack, whole},
    },
    model::Limits,
    volume::HuSlice,
};

/// A histogram with given shares, per mille, of HU.
fn histogram(values: &[(i16, usize)]) -> HuHistogram {
    let hu: Vec<i16> = values
        .iter()
        .flat_map(|(hu, count)| std::iter::repeat_n(*hu, *count))
        .collect();
    HuHistogram::of(&HuSlice {
        rows: 1,
        columns: hu.len(),
        hu,
    })
}

fn abdomen() -> HuHistogram {
    histogram(&[(-1000, 500), (-100, 150), (50, 300), (300, 50)])
}

/// The outcome of one gate for a liver ball of a radius at a column, in a given histogram.
fn outcome(
    code: &str,
    histogram: &HuHistogram,
    (radius_mm, column_mm): (f64, f64),
    step_mm: f64,
) -> Outcome {
    let slices = (260.0 / step_mm) as usize;
    let stack = stack([slices, 100, 100], [step_mm, 4.0, 4.0]);
    let liver = ball([130.0, 180.0, column_mm], radius_mm);
    let labels = paint(&stack, |at| u8::from(liver(at)));
    let findings = measure(&labels, &stack, &whole(&stack));
    let changes = Changes {
        largest_share: 1.0,
        ..Changes::default()
    };
    let examination = Examination {
        stack: &stack,
        histogram,
        findings: &findings,
        changes: &changes,
        view: &everywhere(&stack),
        sample: &OrganSample::default(),
        distance: None,
        agreement: None,
        lossy: 0,
        unusable: 0,
    };
    let gates = examine(&examination, &GateThresholds::default());
    let found = gates.iter().find(|gate| gate.code == code);
    found.unwrap_or_else(|| panic!("no gate {code}")).outcome
}

fn everywhere(stack: &Stack) -> View {
    let along: Vec<f64> = (0..stack.geometry.n_slices())
        .map(|slice| stack.geometry.along_normal_mm(slice))
        .collect();
    View::of(&vec![None; along.len()], &along)
}

const LIVER: (f64, f64) = (70.0, 120.0);

#[test]
fn a_usual_abdomen_passes_every_gate() {
    let stack = stack([100, 100, 100], [2.5, 4.0, 4.0]);
    let liver = ball([120.0, 180.0, 120.0], 70.0);
    let labels = paint(&stack, |at| u8::from(liver(at)));
    let findings = measure(&labels, &stack, &whole(&stack));
    let changes = Changes {
        largest_share: 1.0,
        ..Changes::default()
    };
    let examination = Examination {
        stack: &stack,
        histogram: &abdomen(),
        findings: &findings,
        changes: &changes,
        view: &everywhere(&stack),
        sample: &OrganSample::default(),
        distance: None,
        agreement: None,
        lossy: 0,
        unusable: 0,
    };
    let gates = examine(&examination, &GateThresholds::default());
    assert_eq!(verdict(&gates), Outcome::Pass, "{gates:#?}");
}

#[test]
fn numbers_that_are_no_hounsfield_units_are_refused() {
    // Stored values without the intercept: everything is 1024 too high.
    let unshifted = histogram(&[(24, 500), (924, 150), (1074, 300), (1324, 50)]);
    assert_eq!(outcome("hu-air", &unshifted, LIVER, 2.5), Outcome::Refuse);
    let magnetic = histogram(&[(2, 500), (180, 200), (420, 300)]);
    assert_eq!(outcome("hu-air", &magnetic, LIVER, 2.5), Outcome::Refuse);
    let shifted = histogram(&[(-800, 500), (100, 150), (250, 350)]);
    assert_eq!(outcome("hu-air", &shifted, LIVER, 2.5), Outcome::Refuse);
    assert_eq!(
        outcome("hu-soft-tissue", &shifted, LIVER, 2.5),
        Outcome::Refuse
    );
}

/// An abdomen with noise in the air around it, in a round field of view whose corners hold a value that
/// is not declared as padding.
fn padded_abdomen(offset_hu: i16) -> HuHistogram {
    let air = (-1040..-960).step_by(2).map(|hu| (hu, 7));
    let others = [(-3024, 215), (-100, 100), (50, 385)];
    let shifted = air.chain(others).map(|(hu, count)| (hu + offset_hu, count));
    histogram(&shifted.collect::<Vec<_>>())
}

#[test]
fn corners_without_a_measurement_are_no_air() {
    for code in ["hu-air", "hu-fat", "hu-soft-tissue"] {
        assert_eq!(outcome(code, &padded_abdomen(0), LIVER, 2.5), Outcome::Pass);
    }
    // The intercept applied twice: tissue lies where air should, and none where tissue should.
    assert_eq!(
        outcome("hu-soft-tissue", &padded_abdomen(-1024), LIVER, 2.5),
        Outcome::Refuse
    );
    let inside = histogram(&[(-3024, 215), (-100, 200), (50, 585)]);
    assert_eq!(outcome("hu-air", &inside, LIVER, 2.5), Outcome::Warn);
}

#[test]
fn a_field_of_view_inside_the_body_is_only_remarked_on() {
    let inside = histogram(&[(-100, 200), (50, 800)]);
    assert_eq!(outcome("hu-air", &inside, LIVER, 2.5), Outcome::Warn);
}

#[test]
fn a_liver_too_small_to_be_one_is_refused_and_an_unusual_one_is_remarked_on() {
    let volume = |radius| outcome("liver-volume", &abdomen(), (radius, 120.0), 2.5);
    assert_eq!(volume(0.0), Outcome::Refuse);
    assert_eq!(volume(30.0), Outcome::Refuse);
    assert_eq!(volume(45.0), Outcome::Warn);
    assert_eq!(volume(70.0), Outcome::Pass);
    assert_eq!(volume(110.0), Outcome::Warn);
}

#[test]
fn a_liver_on_the_wrong_side_or_cut_by_the_field_is_remarked_on() {
    // Columns run to the patient's left; the centre is at 198 mm.
    assert_eq!(
        outcome("liver-side", &abdomen(), (70.0, 280.0), 2.5),
        Outcome::Warn
    );
    assert_eq!(
        outcome("liver-cut", &abdomen(), (70.0, 40.0), 2.5),
        Outcome::Warn
    );
    assert_eq!(
        outcome("liver-cut", &abdomen(), (140.0, 198.0), 2.5),
        Outcome::Warn
    );
    assert_eq!(outcome("liver-cut", &abdomen(), LIVER, 2.5), Outcome::Pass);
}

#[test]
fn thick_slices_are_remarked_on_and_coarser_ones_refused() {
    assert_eq!(
        outcome("geometry-step", &abdomen(), LIVER, 6.0),
        Outcome::Warn
    );
    assert_eq!(
        outcome("geometry-step", &abdomen(), LIVER, 10.0),
        Outcome::Refuse
    );
    assert_eq!(
        outcome("geometry-slices", &abdomen(), LIVER, 60.0),
        Outcome::Refuse
    );
}

#[test]
fn a_series_of_another_region_is_refused() {
    let along: Vec<f64> = (0..50).map(f64::from).collect();
    let outcome = |slices: usize| {
        let judged: Vec<_> = (0..50_usize)
            .map(|s| Some(f32::from(u8::from(s < slices))))
            .collect();
        region(&View::of(&judged, &along), &GateThresholds::default()).outcome
    };
    assert_eq!(outcome(0), Outcome::Refuse);
    assert_eq!(outcome(30), Outcome::Warn);
    assert_eq!(outcome(50), Outcome::Pass);
}

#[test]
fn an_organ_without_contrast_or_full_of_doubt_is_remarked_on_and_an_absent_one_is_not() {
    let limits = GateThresholds::default();
    let outcomes = |sample: &OrganSample| {
        let gates = doubt::appearance(sample, &limits);
        gates.iter().map(|gate| gate.outcome).collect::<Vec<_>>()
    };
    let (passes, warns, refuses) = (Outcome::Pass, Outcome::Warn, Outcome::Refuse);
    assert_eq!(outcomes(&OrganSample::with(110, 0.1)), [passes, passes]);
    assert_eq!(outcomes(&OrganSample::with(55, 0.1)), [warns, passes]);
    assert_eq!(outcomes(&OrganSample::with(110, 0.4)), [passes, warns]);
    assert_eq!(outcomes(&OrganSample::with(110, 0.6)), [passes, refuses]);
    assert_eq!(outcomes(&OrganSample::default()), []);
}

#[test]
fn images_unlike_those_of_training_are_remarked_on_and_then_refused() {
    let limits = GateThresholds {
        embedding_distance: Some(Limits {
            warn: 2.0,
            refuse: 4.0,
        }),
        ..GateThresholds::default()
    };
    let outcome = |deviations| doubt::distance(Some(deviations), &limits).unwrap().outcome;
    assert_eq!(outcome(1.0), Outcome::Pass);
    assert_eq!(outcome(2.5), Outcome::Warn);
    assert_eq!(outcome(4.5), Outcome::Refuse);
    assert_eq!(doubt::distance(None, &limits), None, "nothing was measured");
}

#[test]
fn an_organ_that_is_not_found_again_is_remarked_on_and_then_refused() {
    let limits = GateThresholds {
        organ_agreement: Some(Limits {
            warn: 0.9,
            refuse: 0.6,
        }),
        ..GateThresholds::default()
    };
    let outcome = |dice| doubt::agreement(Some(dice), &limits).unwrap().outcome;
    assert_eq!(outcome(0.95), Outcome::Pass);
    assert_eq!(outcome(0.8), Outcome::Warn);
    assert_eq!(outcome(0.4), Outcome::Refuse);
}

#[test]
fn images_with_loss_and_images_left_out_are_remarked_on() {
    assert_eq!(instances::header(0).outcome, Outcome::Pass);
    assert_eq!(instances::header(3).outcome, Outcome::Warn);
    assert_eq!(instances::numeric(0).outcome, Outcome::Pass);
    assert_eq!(instances::numeric(1).outcome, Outcome::Warn);
}

#[test]
fn a_bundle_without_limits_is_not_asked_and_that_is_said() {
    let limits = GateThresholds::default();
    assert_eq!(doubt::distance(Some(9.0), &limits), None);
    assert_eq!(doubt::agreement(Some(0.1), &limits), None);
    assert_eq!(
        not_asked(&limits),
        ["embedding-distance", "organ-agreement"]
    );
}

#[test]
fn a_gate_is_written_as_code_value_and_words() {
    let written = serde_json::to_value(gate("liver-volume", Outcome::Warn, 420.0, "ml", "x"));
    assert_eq!(
        written.unwrap(),
        serde_json::json!({
            "code": "liver-volume", "outcome": "warn", "measured": 420.0, "unit": "ml",
            "words": "x",
        })
    );
}
