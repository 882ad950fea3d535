use std::{fmt, time::Duration};

use dicom_dictionary_std::uids;

use tokio_util::sync::CancellationToken;

use super::{
    DeliverError, Destination,
    association::{Association, Proposal},
    class_name,
};
use crate::dicom::Uid;

/// What a destination says when it is tried before the first patient.
#[derive(Clone, Debug)]
pub struct EchoReport {
    pub destination: String,
    /// From C-ECHO request to response.
    pub round_trip: Duration,
    /// The peer's Implementation Version Name.
    pub implementation: Option<String>,
    /// The classes we may want to send.
    pub classes: Vec<ClassReport>,
}

/// Whether a destination takes a SOP class.
#[derive(Clone, Debug)]
pub struct ClassReport {
    pub class: Uid,
    /// The transfer syntax it would take it in, or why not.
    pub taken: Result<Uid, DeliverError>,
}

/// Verifies a destination with C-ECHO, and asks which of our objects it would take.
pub fn echo(destination: &Destination) -> Result<EchoReport, DeliverError> {
    let verification = Proposal::plain(uids::VERIFICATION);
    let classes = [
        uids::SEGMENTATION_STORAGE,
        uids::COMPREHENSIVE3_DSR_STORAGE,
        uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    ]
    .map(Proposal::plain);
    let proposals = [std::slice::from_ref(&verification), &classes].concat();
    let mut association = Association::open(destination, &proposals, &CancellationToken::new())?;
    let round_trip = match association.echo(&verification) {
        Ok(round_trip) => round_trip,
        Err(err) => {
            association.leave_after(&err);
            return Err(err);
        }
    };
    let report = EchoReport {
        destination: destination.name.clone(),
        round_trip,
        implementation: association.implementation.clone(),
        classes: classes
            .iter()
            .map(|proposal| ClassReport {
                class: proposal.abstract_syntax.clone(),
                taken: association.context(proposal).map(|(_, syntax)| syntax),
            })
            .collect(),
    };
    association.release();
    Ok(report)
}

impl fmt::Display for EchoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let implementation = self.implementation.as_deref().unwrap_or("unnamed");
        let milliseconds = self.round_trip.as_secs_f64() * 1000.0;
        write!(
            f,
            "{} answered in {milliseconds:.1} ms ({implementation})",
            self.destination
        )?;
        for ClassReport { class, taken } in &self.classes {
            match taken {
                Ok(syntax) => write!(f, "\n  takes {} in {syntax}", class_name(class))?,
                Err(err) => write!(f, "\n  {err}")?,
            }
        }
        Ok(())
    }
}
