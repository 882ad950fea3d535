use ndarray::{Array3, ShapeError};

use super::{
    Logits, Prediction,
    graph::{Graph, GraphError, Port},
};
use crate::model::{CLASSES, Manifest};

/// The tensors that pass between image, encoder and head, as the files declare them and the
/// manifest agrees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Interface {
    /// `[1, 3, S, S]`.
    pub image: Port,
    /// What the encoder gives, in its order.
    pub encoded: Vec<Port>,
    /// For each input of the head, which of `encoded` it takes.
    pub head_takes: Vec<usize>,
    /// `[1, classes, S / stride, S / stride]`.
    pub logits: Port,
}

impl Interface {
    pub(super) fn of(
        encoder: &Graph,
        head: &Graph,
        manifest: &Manifest,
    ) -> Result<Self, InterfaceError> {
        let size = manifest.input.size;
        let image = named("image", &[1, manifest.input.windows.len(), size, size]);
        let side = size / manifest.output.stride;
        let logits = named("logits", &[1, CLASSES, side, side]);

        let in_encoder = |source| InterfaceError::Encoder { source };
        let in_head = |source| InterfaceError::Head { source };
        only(encoder.inputs().map_err(in_encoder)?, &image).map_err(in_encoder)?;
        let encoded = encoder.outputs().map_err(in_encoder)?;
        check_encoded(&encoded, size).map_err(in_encoder)?;
        let measured = encoded.iter().any(|port| port.name == "distance");
        if manifest.gates.embedding_distance.is_some() && !measured {
            return Err(InterfaceError::NoDistance);
        }
        only(head.outputs().map_err(in_head)?, &logits).map_err(in_head)?;
        let takes = head.inputs().map_err(in_head)?;
        let head_takes = takes
            .iter()
            .map(|taken| encoded.iter().position(|given| given == taken))
            .collect::<Option<Vec<_>>>()
            .filter(|taken| !taken.is_empty())
            .ok_or_else(|| in_head(ports(&takes, &encoded)))?;
        Ok(Self {
            image,
            encoded,
            head_takes,
            logits,
        })
    }

    /// What encoder and head gave; `encoded` in the order of the ports of that name.
    ///
    /// `gate`, where there is one, holds logits of what the slice shows: the organ first; `distance`
    /// says how far it is from the slices of training.
    pub(super) fn prediction(
        &self,
        encoded: &[&[f32]],
        logits: &[f32],
    ) -> Result<Prediction, ShapeError> {
        let place = |name: &str| self.encoded.iter().position(|port| port.name == name);
        let shape = &self.logits.shape;
        Ok(Prediction {
            logits: Array3::from_shape_vec([shape[1], shape[2], shape[3]], logits.to_vec())
                .map(Logits)?,
            organ_in_view: place("gate").map(|at| first_of_softmax(encoded[at])),
            distance: place("distance").map(|at| encoded[at][0]),
        })
    }
}

fn first_of_softmax(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    (logits[0] - highest).exp() / sum
}

#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    #[error("encoder.onnx")]
    Encoder { source: GraphError },
    #[error("head.onnx")]
    Head { source: GraphError },
    #[error("encoder.onnx has no output `distance`, which the manifest limits")]
    NoDistance,
}

/// `embedding` at a quarter of the input is what makes it an encoder; `skip` at half, `gate`, one
/// row of numbers, and `distance`, one number, may come with it.
fn check_encoded(encoded: &[Port], size: usize) -> Result<(), GraphError> {
    let fits = |port: &Port| match (&*port.name, &*port.shape) {
        ("embedding", [1, channels, h, w]) => {
            (1..=512).contains(channels) && [*h, *w] == [size / 4; 2]
        }
        ("skip", [1, channels, h, w]) => (1..=128).contains(channels) && [*h, *w] == [size / 2; 2],
        ("gate", [1, values]) => (1..=4096).contains(values),
        ("distance", [1, 1]) => true,
        _ => false,
    };
    let has_embedding = encoded.iter().any(|port| port.name == "embedding");
    let distinct = encoded.len() <= 4
        && (1..encoded.len()).all(|i| encoded[..i].iter().all(|p| p.name != encoded[i].name));
    if has_embedding && distinct && encoded.iter().all(fits) {
        return Ok(());
    }
    let expected = format!(
        "embedding [1, E, {q}, {q}], optionally skip [1, K, {h}, {h}], gate [1, G], distance [1, 1]",
        q = size / 4,
        h = size / 2
    );
    Err(GraphError::Ports {
        found: listed(encoded),
        expected,
    })
}

fn only(found: Vec<Port>, expected: &Port) -> Result<(), GraphError> {
    if found == [expected.clone()] {
        return Ok(());
    }
    Err(ports(&found, std::slice::from_ref(expected)))
}

fn ports(found: &[Port], expected: &[Port]) -> GraphError {
    GraphError::Ports {
        found: listed(found),
        expected: listed(expected),
    }
}

fn listed(ports: &[Port]) -> String {
    let all: Vec<_> = ports
        .iter()
        .map(|port| format!("{} {:?}", port.name, port.shape))
        .collect();
    all.join(", ")
}

fn named(name: &str, shape: &[usize]) -> Port {
    Port {
        name: name.to_owned(),
        shape: shape.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::ModelProto;

    use super::*;
    use crate::{
        engine::testing::{self, value},
        model::Limits,
    };

    fn interface(encoder: &ModelProto, head: &ModelProto) -> Result<Interface, InterfaceError> {
        let parse = |model| Graph::parse(&testing::encode(model)).unwrap();
        Interface::of(&parse(encoder), &parse(head), &testing::bundle().manifest)
    }

    /// What is made of an encoder's outputs beside the embedding.
    fn predicted(beside: &[(&str, &[f32])]) -> Prediction {
        let outputs: Vec<_> = [("embedding", &[0.0; 64][..])]
            .into_iter()
            .chain(beside.iter().copied())
            .collect();
        let interface = Interface {
            image: named("image", &[1, 3, 32, 32]),
            encoded: outputs
                .iter()
                .map(|(name, values)| named(name, &[1, values.len()]))
                .collect(),
            head_takes: vec![0],
            logits: named("logits", &[1, 3, 2, 2]),
        };
        let values: Vec<&[f32]> = outputs.iter().map(|(_, values)| *values).collect();
        interface.prediction(&values, &[0.0; 12]).unwrap()
    }

    fn cause(error: InterfaceError) -> String {
        std::error::Error::source(&error).unwrap().to_string()
    }

    #[test]
    fn the_head_takes_what_it_names_of_what_the_encoder_gives() {
        let interface = interface(&testing::encoder(), &testing::head()).unwrap();
        let names: Vec<_> = interface.encoded.iter().map(|port| &*port.name).collect();
        assert_eq!(names, ["embedding", "skip"]);
        assert_eq!(interface.head_takes, [1]);
    }

    #[test]
    fn the_gate_says_how_likely_the_slice_shows_the_organ() {
        let judged = predicted(&[("gate", &[2.0, 2.0, -90.0])]).organ_in_view;
        assert!((judged.unwrap() - 0.5).abs() < 1e-6);
        assert_eq!(predicted(&[]).organ_in_view, None);
    }

    #[test]
    fn a_limit_on_what_the_encoder_does_not_measure_is_refused() {
        let mut manifest = testing::bundle().manifest;
        let parse = |model| Graph::parse(&testing::encode(&model)).unwrap();
        let (encoder, head) = (parse(testing::encoder()), parse(testing::head()));
        manifest.gates.embedding_distance = Some(Limits {
            warn: 2.0,
            refuse: 4.0,
        });
        let error = Interface::of(&encoder, &head, &manifest).unwrap_err();
        assert!(matches!(error, InterfaceError::NoDistance), "{error}");
    }

    #[test]
    fn the_distance_is_the_number_the_encoder_gave() {
        assert_eq!(predicted(&[("distance", &[2.5])]).distance, Some(2.5));
        assert_eq!(predicted(&[]).distance, None);
    }

    #[test]
    fn shapes_that_disagree_with_the_manifest_are_refused() {
        let mut encoder = testing::encoder();
        encoder.graph.as_mut().unwrap().input[0] = value("image", &[1, 3, 64, 64]);
        let error = cause(interface(&encoder, &testing::head()).unwrap_err());
        assert!(
            error.contains("image [1, 3, 64, 64], expected image [1, 3, 32, 32]"),
            "{error}"
        );

        let mut head = testing::head();
        head.graph.as_mut().unwrap().output[0] = value("logits", &[1, 2, 16, 16]);
        let error = cause(interface(&testing::encoder(), &head).unwrap_err());
        assert!(error.contains("expected logits [1, 3, 16, 16]"), "{error}");
    }

    #[test]
    fn a_head_for_another_encoder_is_refused() {
        let mut head = testing::head();
        head.graph.as_mut().unwrap().input[0] = value("skip", &[1, 8, 16, 16]);
        let error = cause(interface(&testing::encoder(), &head).unwrap_err());
        assert!(error.contains("skip [1, 8, 16, 16]"), "{error}");
    }
}
