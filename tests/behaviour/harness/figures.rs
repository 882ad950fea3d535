//! What a test measured, for `docs/reliability.md`.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf};

/// Shows a line of figures, and appends it to `NAME.md` in `HEPAR_TEST_FIGURES` where that names a
/// directory.
pub fn report(name: &str, line: &str) {
    eprintln!("{name}: {line}");
    let Some(directory) = env::var_os("HEPAR_TEST_FIGURES") else {
        return;
    };
    let file = PathBuf::from(directory).join(format!("{name}.md"));
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    writeln!(file, "{line}").unwrap();
}

/// A number that makes a test longer, from the environment.
pub fn asked_for(variable: &str, usual: u64) -> u64 {
    env::var(variable).map_or(usual, |number| number.parse().unwrap())
}
