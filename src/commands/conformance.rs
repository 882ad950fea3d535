use clap::Args;

use hepar::conformance;

use super::{Failure, OrFail};

#[derive(Args, Debug)]
pub struct Conformance {}

impl Conformance {
    pub fn run(self) -> Result<(), Failure> {
        let statement = conformance::statement()
            .or_fail(Failure::INTERNAL, "cannot make the conformance statement")?;
        print!("{statement}");
        Ok(())
    }
}
