//! The network of a bundle in rten, on one thread: rten-peer BUNDLE.
//!
//! Prints `{"engine/rten": seconds}`, the fastest of many runs, as the other peers do.

use std::{env, error::Error, path::Path, time::Instant};

use rten::ModelOptions;
use rten_tensor::{NdTensor, prelude::*};

const RUNS: usize = 40;
/// Batch, windows, rows, columns.
const IMAGE: [usize; 4] = [1, 3, 256, 256];

fn main() -> Result<(), Box<dyn Error>> {
    let bundle = env::args_os().nth(1).ok_or("rten-peer BUNDLE")?;
    let load = |file: &str| ModelOptions::with_all_ops().load_file(Path::new(&bundle).join(file));
    let (encoder, head) = (load("encoder.onnx")?, load("head.onnx")?);
    // What is in an image changes no time.
    let values = (0..IMAGE.iter().product()).map(|at| (at % 251) as f32 / 250.0).collect::<Vec<_>>();
    let image = NdTensor::from_data(IMAGE, values);
    let input = *encoder.input_ids().first().ok_or("the encoder takes nothing")?;
    let taken = head.input_ids().iter().map(|&id| {
        let name = head.node_info(id).and_then(|node| node.name().map(str::to_owned));
        encoder.node_id(&name.ok_or("the head's inputs have no names")?).map_err(Box::<dyn Error>::from)
    });
    let taken = taken.collect::<Result<Vec<_>, _>>()?;

    let mut fastest = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let encoded = encoder.run(vec![(input, image.view().into())], &taken, None)?;
        let inputs = head.input_ids().iter().copied().zip(encoded.into_iter().map(Into::into));
        head.run(inputs.collect(), head.output_ids(), None)?;
        fastest = fastest.min(begun.elapsed().as_secs_f64());
    }
    println!("{{\"engine/rten\": {fastest}}}");
    Ok(())
}
