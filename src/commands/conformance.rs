use hepar::conformance;

use super::{Failure, OrFail};

pub fn run() -> Result<(), Failure> {
    let statement = conformance::statement()
        .or_fail(Failure::INTERNAL, "cannot make the conformance statement")?;
    print!("{statement}");
    Ok(())
}
