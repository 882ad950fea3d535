//! ONNX files: what is refused before an engine sees it, and what is taken out for tract.
//!
//! Some files that are legal ONNX load and compute nonsense, and some make a loader panic. Both are
//! found here, by reading the graph, so that an engine only ever gets a file it can be right about.
//! What remains possible is a wrong network, and that is what the golden output is for.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tract_onnx::{
    pb::{
        GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto,
        tensor_shape_proto::dimension, type_proto,
    },
    prelude::Framework,
};

/// One ONNX file whose nodes and tensors were checked one by one.
pub(super) struct Graph {
    model: ModelProto,
}

/// A named tensor that enters or leaves a graph, with its static shape.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Port {
    pub name: String,
    pub shape: Vec<usize>,
}

#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error("is not an ONNX file")]
    Decode(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("holds no graph")]
    Empty,
    #[error("node {node}: {operator} is refused: {why}")]
    Operator {
        node: String,
        operator: String,
        why: &'static str,
    },
    #[error("node {node} reads {tensor}, which nothing before it computes")]
    Dangling { node: String, tensor: String },
    #[error("output {0} is computed by no node")]
    NoSuchOutput(String),
    #[error("tensor {name}: {why}")]
    Tensor { name: String, why: &'static str },
    #[error("{0} is not a tensor of f32 with a static shape")]
    NotStatic(String),
    #[error("has inputs and outputs {found}, expected {expected}")]
    Ports { found: String, expected: String },
}

/// Operators that are refused whatever the engine, with the reason.
const REFUSED: [(&str, &str); 12] = [
    ("QLinearConv", QOPERATOR),
    ("QLinearMatMul", QOPERATOR),
    ("QLinearAdd", QOPERATOR),
    ("QGemm", QOPERATOR),
    ("ConvInteger", QOPERATOR),
    ("MatMulInteger", QOPERATOR),
    ("DynamicQuantizeLinear", QOPERATOR),
    ("MatMulNBits", "tract computes it wrongly without an error"),
    ("If", SUBGRAPH),
    ("Loop", SUBGRAPH),
    ("Scan", SUBGRAPH),
    ("SequenceMap", SUBGRAPH),
];
const QOPERATOR: &str = "quantise with QuantizeLinear / DequantizeLinear pairs (QDQ) instead";
const SUBGRAPH: &str = "a bundle's graphs are straight";

impl Graph {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, GraphError> {
        let mut reader = bytes;
        let model = tract_onnx::onnx()
            .proto_model_for_read(&mut reader)
            .map_err(|error| GraphError::Decode(error.into()))?;
        let graph = model.graph.as_ref().ok_or(GraphError::Empty)?;
        for tensor in &graph.initializer {
            check_tensor(tensor)?;
        }
        for node in &graph.node {
            check_node(node)?;
        }
        check_wiring(graph)?;
        Ok(Self { model })
    }

    pub(super) fn inputs(&self) -> Result<Vec<Port>, GraphError> {
        let graph = self.graph();
        let constants: HashSet<&str> = graph.initializer.iter().map(|t| &*t.name).collect();
        let fed = |value: &&ValueInfoProto| !constants.contains(&*value.name);
        graph.input.iter().filter(fed).map(port).collect()
    }

    pub(super) fn outputs(&self) -> Result<Vec<Port>, GraphError> {
        self.graph().output.iter().map(port).collect()
    }

    pub(super) fn into_model(self) -> ModelProto {
        self.model
    }

    /// As a file again.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }

    /// Takes out what quantises activations; weights stay int8 and are unpacked once, at load.
    ///
    /// A `QuantizeLinear` and the `DequantizeLinear` behind it round values that tract then computes
    /// with in f32: all cost, no gain. What such a pair also does is clip. Exporters use that and
    /// drop a ReLU in front of a pair whose lowest code means zero, so there a ReLU goes in.
    #[must_use]
    pub(super) fn without_activation_quantisation(mut self) -> Self {
        let Some(graph) = self.model.graph.as_mut() else {
            return self;
        };
        let zero_points: HashMap<&str, i64> = graph
            .initializer
            .iter()
            .filter_map(|tensor| Some((&*tensor.name, lowest_code_is_zero(tensor)?)))
            .collect();
        let constants: HashSet<&str> = graph.initializer.iter().map(|t| &*t.name).collect();
        let clips = |node: &NodeProto| match node.input.get(2) {
            Some(zero_point) => zero_points.contains_key(&**zero_point),
            // Without a zero point the codes are u8 and start at zero.
            None => true,
        };
        let rectifies = |node: &NodeProto| matches!(&*node.op_type, "Relu" | "Sigmoid" | "Softmax");
        let non_negative: HashSet<&str> = graph
            .node
            .iter()
            .filter(|node| rectifies(node))
            .flat_map(|node| node.output.iter().map(String::as_str))
            .collect();

        // Quantised tensor -> (the float it came from, whether quantising clipped it at zero).
        let mut quantised: HashMap<String, (String, bool)> = HashMap::new();
        for node in graph.node.iter().filter(|n| n.op_type == "QuantizeLinear") {
            if let ([float, ..], [codes]) = (&*node.input, &*node.output)
                && !constants.contains(&**float)
            {
                let clips = clips(node) && !non_negative.contains(&**float);
                quantised.insert(codes.clone(), (float.clone(), clips));
            }
        }
        for node in &mut graph.node {
            let codes = node.input.first();
            if node.op_type == "DequantizeLinear"
                && let Some((float, clipped)) = codes.and_then(|codes| quantised.get(codes))
            {
                node.op_type = if *clipped { "Relu" } else { "Identity" }.into();
                node.input = vec![float.clone()];
                node.attribute.clear();
            }
        }
        let read: HashSet<String> = graph.node.iter().flat_map(|n| n.input.clone()).collect();
        graph.node.retain(|node| {
            node.op_type != "QuantizeLinear" || node.output.iter().any(|o| read.contains(o))
        });
        // They name types of tensors that are gone.
        graph.value_info.clear();
        self
    }

    fn graph(&self) -> &GraphProto {
        // `parse` refuses a model without one.
        self.model.graph.as_ref().expect("checked when parsed")
    }
}

/// `Some` if the zero point is the lowest code of its type, so that no negative value has a code.
fn lowest_code_is_zero(zero_point: &TensorProto) -> Option<i64> {
    use tensor_proto::DataType::{Int8, Uint8};
    let raw = zero_point.raw_data.first().copied();
    let stored = zero_point.int32_data.first().copied();
    let (value, lowest) = if zero_point.data_type == Uint8 as i32 {
        (raw.map(i64::from).or(stored.map(i64::from))?, 0)
    } else if zero_point.data_type == Int8 as i32 {
        let raw = raw.map(|byte| i64::from(byte.cast_signed()));
        (raw.or(stored.map(i64::from))?, i64::from(i8::MIN))
    } else {
        return None;
    };
    (value == lowest).then_some(value)
}

fn check_node(node: &NodeProto) -> Result<(), GraphError> {
    let refuse = |why| GraphError::Operator {
        node: node.name.clone(),
        operator: node.op_type.clone(),
        why,
    };
    if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == node.op_type) {
        return Err(refuse(why));
    }
    if !matches!(&*node.domain, "" | "ai.onnx") {
        return Err(refuse("it is not an operator of the ONNX standard"));
    }
    for attribute in &node.attribute {
        if attribute.name == "block_size" && attribute.i != 0 {
            return Err(refuse("tract computes blocked quantisation wrongly"));
        }
        if let Some(tensor) = &attribute.t {
            check_tensor(tensor)?;
        }
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            return Err(refuse(SUBGRAPH));
        }
    }
    Ok(())
}

fn check_tensor(tensor: &TensorProto) -> Result<(), GraphError> {
    use tensor_proto::DataType::{Bool, Float, Int8, Int32, Int64, Uint8};
    let wrong = |why| GraphError::Tensor {
        name: tensor.name.clone(),
        why,
    };
    let external = tensor_proto::DataLocation::External as i32;
    if tensor.data_location == Some(external) {
        return Err(wrong("its values are outside the file"));
    }
    let values = tensor.dims.iter().try_fold(1_usize, |values, dim| {
        values.checked_mul(usize::try_from(*dim).ok()?)
    });
    let values = values.ok_or_else(|| wrong("its shape is absurd"))?;
    let is = |kind: tensor_proto::DataType| tensor.data_type == kind as i32;
    let (bytes_each, unpacked) = if is(Float) {
        (4, tensor.float_data.len())
    } else if is(Int64) {
        (8, tensor.int64_data.len())
    } else if is(Int32) {
        (4, tensor.int32_data.len())
    } else if is(Int8) || is(Uint8) || is(Bool) {
        (1, tensor.int32_data.len())
    } else {
        return Err(wrong(
            "only f32, int8, uint8, int32, int64 and bool are used",
        ));
    };
    let held = if tensor.raw_data.is_empty() {
        Some(unpacked)
    } else {
        let whole = tensor.raw_data.len().is_multiple_of(bytes_each);
        whole.then_some(tensor.raw_data.len() / bytes_each)
    };
    if held != Some(values) {
        return Err(wrong("its values do not fill its shape"));
    }
    Ok(())
}

/// Nodes are listed in the order they can run, and every output is computed.
fn check_wiring(graph: &GraphProto) -> Result<(), GraphError> {
    let mut known: HashSet<&str> = graph.input.iter().map(|value| &*value.name).collect();
    known.extend(graph.initializer.iter().map(|tensor| &*tensor.name));
    for node in &graph.node {
        let missing = |name: &&String| !name.is_empty() && !known.contains(&***name);
        if let Some(tensor) = node.input.iter().find(missing) {
            return Err(GraphError::Dangling {
                node: node.name.clone(),
                tensor: tensor.clone(),
            });
        }
        known.extend(node.output.iter().map(String::as_str));
    }
    match graph.output.iter().find(|out| !known.contains(&*out.name)) {
        Some(output) => Err(GraphError::NoSuchOutput(output.name.clone())),
        None => Ok(()),
    }
}

fn port(value: &ValueInfoProto) -> Result<Port, GraphError> {
    let not_static = || GraphError::NotStatic(value.name.clone());
    let kind = value.r#type.as_ref().and_then(|t| t.value.as_ref());
    let type_proto::Value::TensorType(tensor) = kind.ok_or_else(not_static)?;
    if tensor.elem_type != tensor_proto::DataType::Float as i32 {
        return Err(not_static());
    }
    let dims = &tensor.shape.as_ref().ok_or_else(not_static)?.dim;
    let shape = dims.iter().map(|dim| match dim.value {
        Some(dimension::Value::DimValue(length @ 1..=65536)) => Ok(length as usize),
        _ => Err(not_static()),
    });
    Ok(Port {
        name: value.name.clone(),
        shape: shape.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::tensor_proto::DataType;

    use super::*;
    use crate::engine::testing::{self, codes, floats, int, node, value};

    fn parse(model: &ModelProto) -> Result<Graph, GraphError> {
        Graph::parse(&testing::encode(model))
    }

    fn refusal(change: impl FnOnce(&mut GraphProto)) -> String {
        let mut model = testing::head();
        change(model.graph.as_mut().unwrap());
        parse(&model).err().expect("refused").to_string()
    }

    #[test]
    fn bytes_that_are_no_onnx_file_are_refused() {
        assert!(matches!(
            Graph::parse(&[0xff; 40]),
            Err(GraphError::Decode(_))
        ));
        assert!(matches!(Graph::parse(&[]), Err(GraphError::Empty)));
        let cut = testing::encode(&testing::head());
        assert!(Graph::parse(&cut[..cut.len() - 7]).is_err());
    }

    #[test]
    fn operators_that_engines_get_wrong_are_refused_by_name() {
        let error = refusal(|graph| graph.node[1].op_type = "QLinearConv".into());
        assert!(error.contains("QLinearConv"), "{error}");
        let error = refusal(|graph| graph.node[1].domain = "com.microsoft".into());
        assert!(
            error.contains("not an operator of the ONNX standard"),
            "{error}"
        );
        let error = refusal(|graph| graph.node[0].attribute.push(int("block_size", 32)));
        assert!(error.contains("blocked quantisation"), "{error}");
    }

    #[test]
    fn graphs_that_would_make_a_loader_panic_are_refused() {
        let error = refusal(|graph| graph.node.swap(0, 1));
        assert!(
            error.contains("reads w.float, which nothing before it"),
            "{error}"
        );
        let error = refusal(|graph| graph.output[0].name = "mask".into());
        assert_eq!(error, "output mask is computed by no node");
        let error = refusal(|graph| graph.initializer[0].raw_data.truncate(8));
        assert!(error.contains("do not fill its shape"), "{error}");
        let error = refusal(|graph| graph.initializer[0].dims = vec![i64::MAX, 9]);
        assert!(error.contains("absurd"), "{error}");
        let error = refusal(|graph| graph.initializer[1].data_location = Some(1));
        assert!(error.contains("outside the file"), "{error}");
    }

    /// image -> Conv -> (quantise, dequantise) -> Conv, the weights int8.
    fn quantised(zero_point: TensorProto) -> ModelProto {
        let weights = codes(
            "w",
            DataType::Int8,
            &[3, 3, 1, 1],
            &[1, 0, 0, 0, 1, 0, 0, 0, 1],
        );
        testing::model(
            &[value("image", &[1, 3, 4, 4])],
            &[value("out", &[1, 3, 4, 4])],
            &[weights, floats("scale", &[], &[0.5]), zero_point],
            &[
                node("DequantizeLinear", &["w", "scale"], "w.float"),
                node("Conv", &["image", "w.float"], "a"),
                node("QuantizeLinear", &["a", "scale", "zero"], "a.codes"),
                node("DequantizeLinear", &["a.codes", "scale", "zero"], "a.float"),
                node("Conv", &["a.float", "w.float"], "out"),
            ],
        )
    }

    fn operators(graph: &Graph) -> Vec<&str> {
        graph
            .graph()
            .node
            .iter()
            .map(|node| &*node.op_type)
            .collect()
    }

    #[test]
    fn activation_quantisation_goes_and_weight_quantisation_stays() {
        let signed = codes("zero", DataType::Uint8, &[], &[128]);
        let graph = parse(&quantised(signed))
            .unwrap()
            .without_activation_quantisation();
        assert_eq!(
            operators(&graph),
            ["DequantizeLinear", "Conv", "Identity", "Conv"]
        );
        assert!(
            parse(&graph.into_model()).is_ok(),
            "what remains is still a graph"
        );
    }

    #[test]
    fn a_pair_that_clips_at_zero_leaves_a_relu_behind() {
        for zero in [
            codes("zero", DataType::Uint8, &[], &[0]),
            codes("zero", DataType::Int8, &[], &[0x80]),
        ] {
            let graph = parse(&quantised(zero))
                .unwrap()
                .without_activation_quantisation();
            assert_eq!(
                operators(&graph),
                ["DequantizeLinear", "Conv", "Relu", "Conv"]
            );
        }
    }

    #[test]
    fn a_relu_that_is_there_is_not_doubled() {
        let mut model = quantised(codes("zero", DataType::Uint8, &[], &[0]));
        let nodes = &mut model.graph.as_mut().unwrap().node;
        nodes[1].output = vec!["a.raw".into()];
        nodes.insert(2, node("Relu", &["a.raw"], "a"));
        let graph = parse(&model).unwrap().without_activation_quantisation();
        let expected = ["DequantizeLinear", "Conv", "Relu", "Identity", "Conv"];
        assert_eq!(operators(&graph), expected);
    }
}
