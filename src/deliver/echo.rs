//! Trying a destination before the first patient: does it answer, and what would it take?

use std::{fmt, time::Duration};

use dicom_dictionary_std::uids;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use tokio_util::sync::CancellationToken;

use super::{
    DeliverError, Destination,
    association::{Association, Proposal},
    class_name,
};
use crate::dicom::Uid;

/// What a destination says when it is tried.
#[derive(Clone, Debug)]
pub struct EchoReport {
    pub destination: String,
    /// From C-ECHO request to response.
    pub round_trip: Duration,
    /// The peer's Implementation Version Name.
    pub implementation: Option<String>,
    /// The classes we may want to send; `Err`: it would not even talk about them.
    pub classes: Result<Vec<ClassReport>, DeliverError>,
}

/// Whether a destination takes a SOP class.
#[derive(Clone, Debug)]
pub struct ClassReport {
    pub class: Uid,
    /// The transfer syntaxes it would take it in, or why it takes it in none.
    pub taken: Result<Vec<Uid>, DeliverError>,
}

/// What we can send a plain object in.
const SYNTAXES: [&str; 2] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
];

/// Verifies a destination with C-ECHO, and asks on a second association which of `classes` it would
/// take: some archives refuse an association altogether that proposes what they do not know.
pub fn echo(destination: &Destination, classes: &[&str]) -> Result<EchoReport, DeliverError> {
    let verification = Proposal::plain(uids::VERIFICATION);
    let mut association = Association::open(
        destination,
        std::slice::from_ref(&verification),
        &CancellationToken::new(),
    )?;
    let implementation = association.implementation.clone();
    let round_trip = match association.echo(&verification) {
        Ok(round_trip) => round_trip,
        Err(err) => {
            association.leave_after(&err);
            return Err(err);
        }
    };
    association.release();
    Ok(EchoReport {
        destination: destination.name.clone(),
        round_trip,
        implementation,
        classes: negotiate(destination, classes),
    })
}

/// One presentation context for each class and transfer syntax, so that each is answered.
fn negotiate(
    destination: &Destination,
    classes: &[&str],
) -> Result<Vec<ClassReport>, DeliverError> {
    let uid = |text: &str| Uid::parse(text).expect("the dictionary holds UIDs");
    let proposals_of = |class: &str| {
        SYNTAXES.map(|syntax| Proposal {
            abstract_syntax: uid(class),
            transfer_syntaxes: vec![uid(syntax)],
        })
    };
    let proposals: Vec<Proposal> = classes
        .iter()
        .flat_map(|class| proposals_of(class))
        .collect();
    let association = Association::open(destination, &proposals, &CancellationToken::new())?;
    let reports = classes.iter().map(|class| {
        let answers = proposals_of(class).map(|proposal| association.context(&proposal));
        let mut syntaxes = Vec::new();
        let mut refusal = None;
        for answer in answers {
            match answer {
                Ok((_, syntax)) => syntaxes.push(syntax),
                Err(err) => refusal = refusal.or(Some(err)),
            }
        }
        ClassReport {
            class: uid(class),
            taken: match refusal {
                Some(err) if syntaxes.is_empty() => Err(err),
                _ => Ok(syntaxes),
            },
        }
    });
    let reports = reports.collect();
    association.release();
    Ok(reports)
}

impl fmt::Display for ClassReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.taken {
            Ok(syntaxes) => {
                let names: Vec<_> = syntaxes.iter().map(syntax_name).collect();
                let names = names.join(" or ");
                write!(f, "takes {} in {names}", class_name(&self.class))
            }
            Err(err) => write!(f, "{err}"),
        }
    }
}

fn syntax_name(uid: &Uid) -> String {
    let known = TransferSyntaxRegistry.get(uid.as_str());
    known.map_or_else(|| uid.to_string(), |syntax| syntax.name().to_owned())
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
        match &self.classes {
            Ok(classes) => classes
                .iter()
                .try_for_each(|class| write!(f, "\n  {class}")),
            Err(err) => write!(f, "\n  {err}"),
        }
    }
}
