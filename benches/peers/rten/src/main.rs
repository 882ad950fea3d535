//! The encoder of a bundle in rten, on one thread: rten-peer BUNDLE.
//!
//! Prints `{"engine/rten/encoder": seconds}`, the fastest of many runs, as the other peers do.

use std::{env, error::Error, path::Path, time::Instant};

use rten::{Model, ModelOptions};
use rten_tensor::{NdTensor, prelude::*};

const RUNS: usize = 40;
/// Batch, windows, rows, columns.
const IMAGE: [usize; 4] = [1, 3, 256, 256];

fn main() -> Result<(), Box<dyn Error>> {
    let bundle = env::args_os().nth(1).ok_or("rten-peer BUNDLE")?;
    let model: Model = ModelOptions::with_all_ops().load_file(Path::new(&bundle).join("encoder.onnx"))?;
    // What is in an image changes no time.
    let values = (0..IMAGE.iter().product()).map(|at| (at % 251) as f32 / 250.0).collect::<Vec<_>>();
    let image = NdTensor::from_data(IMAGE, values);
    let input = *model.input_ids().first().ok_or("the encoder takes nothing")?;

    let mut fastest = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = Instant::now();
        model.run(vec![(input, image.view().into())], model.output_ids(), None)?;
        fastest = fastest.min(begun.elapsed().as_secs_f64());
    }
    println!("{{\"engine/rten/encoder\": {fastest}}}");
    Ok(())
}
