//! What the disk alone gives, with nothing of ours around it.

use std::{fs::File, io::Write, path::Path, time::Instant};

use anyhow::Result;

/// What a durable file costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// Its content survives a power cut; under which name is not sure.
    Content,
    /// Its name does as well: written, synced, renamed, and the directory synced.
    Name,
}

/// Files a second that one thread makes durable, one after the other.
pub fn files_a_second(dir: &Path, files: usize, bytes: &[u8], promise: Promise) -> Result<f64> {
    std::fs::create_dir_all(dir)?;
    let begun = Instant::now();
    for number in 0..files {
        let (part, path) = (
            dir.join(format!("{number}.part")),
            dir.join(number.to_string()),
        );
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        if promise == Promise::Name {
            std::fs::rename(part, path)?;
            File::open(dir)?.sync_all()?;
        }
    }
    Ok(files as f64 / begun.elapsed().as_secs_f64())
}
