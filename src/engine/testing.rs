//! A network small enough to compute by hand, as the ONNX files a bundle holds.
//!
//! Input 32x32. The encoder averages: `embedding` over 4x4, `skip` over 2x2. The head mixes the
//! channels of `skip` with int8 weights: background 0.5, organ = channel 0, lesion = 2 x channel 2
//! - channel 0.

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_proto::DataType, tensor_shape_proto, type_proto,
};

use crate::model::{Bundle, Golden, Manifest, Origin};

pub(crate) const SIZE: usize = 32;
const SIDE: usize = SIZE / 2;

pub(crate) fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        name: format!("{op} for {output}"),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

pub(crate) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

/// int8 or uint8 values, as their bytes.
pub(crate) fn codes(name: &str, kind: DataType, dims: &[i64], values: &[u8]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: kind as i32,
        raw_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub(crate) fn value(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dim = |length: &usize| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(
            i64::try_from(*length).unwrap(),
        )),
        ..tensor_shape_proto::Dimension::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto {
            dim: shape.iter().map(dim).collect(),
        }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

pub(crate) fn model(
    inputs: &[ValueInfoProto],
    outputs: &[ValueInfoProto],
    initializers: &[TensorProto],
    nodes: &[NodeProto],
) -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 17,
        }],
        graph: Some(GraphProto {
            name: "test".to_owned(),
            input: inputs.to_vec(),
            output: outputs.to_vec(),
            initializer: initializers.to_vec(),
            node: nodes.to_vec(),
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

pub(crate) fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

pub(crate) fn encoder() -> ModelProto {
    let pool = |side: i64, output: &str| {
        let mut pool = node("AveragePool", &["image"], output);
        pool.attribute = vec![
            ints("kernel_shape", &[side; 2]),
            ints("strides", &[side; 2]),
        ];
        pool
    };
    model(
        &[value("image", &[1, 3, SIZE, SIZE])],
        &[
            value("embedding", &[1, 3, SIZE / 4, SIZE / 4]),
            value("skip", &[1, 3, SIDE, SIDE]),
        ],
        &[],
        &[pool(4, "embedding"), pool(2, "skip")],
    )
}

pub(crate) fn head() -> ModelProto {
    let weights: [i8; 9] = [0, 0, 0, 1, 0, 0, -1, 0, 2];
    let weights = weights.map(i8::cast_unsigned);
    let mut dequantise = node("DequantizeLinear", &["w", "w.scale", "w.zero"], "w.float");
    dequantise.attribute = vec![int("axis", 0)];
    model(
        &[value("skip", &[1, 3, SIDE, SIDE])],
        &[value("logits", &[1, 3, SIDE, SIDE])],
        &[
            codes("w", DataType::Int8, &[3, 3, 1, 1], &weights),
            floats("w.scale", &[3], &[1.0; 3]),
            codes("w.zero", DataType::Int8, &[3], &[0; 3]),
            floats("bias", &[3], &[0.5, 0.0, 0.0]),
        ],
        &[
            dequantise,
            node("Conv", &["skip", "w.float", "bias"], "logits"),
        ],
    )
}

/// A ramp: every 2x2 block has another value.
fn image() -> Vec<f32> {
    (0..3 * SIZE * SIZE)
        .map(|i| (i * 7 % 1013) as f32 / 1013.0)
        .collect()
}

/// What the network gives, computed the way the module's documentation says.
pub(crate) fn expected(image: &[f32]) -> Vec<f32> {
    let pooled = |channel: usize, row: usize, column: usize| {
        let at = |r: usize, c: usize| image[(channel * SIZE + 2 * row + r) * SIZE + 2 * column + c];
        (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4.0
    };
    let pixels = || (0..SIDE * SIDE).map(|i| (i / SIDE, i % SIDE));
    let background = pixels().map(|_| 0.5);
    let organ = pixels().map(|(r, c)| pooled(0, r, c));
    let lesion = pixels().map(|(r, c)| 2.0 * pooled(2, r, c) - pooled(0, r, c));
    background.chain(organ).chain(lesion).collect()
}

/// The network as a bundle whose golden output is right.
pub(crate) fn bundle() -> Bundle {
    let manifest = include_str!("../model/example.toml")
        .replace("size = 256", "size = 32")
        .replace("max-abs-error = 0.5", "max-abs-error = 0.01");
    let image = image();
    Bundle {
        manifest: Manifest::parse(&manifest).unwrap(),
        encoder: encode(&encoder()),
        head: encode(&head()),
        golden: Golden {
            logits: expected(&image),
            image,
        },
        digest: "0".repeat(64),
        origin: Origin::BuiltIn,
    }
}
