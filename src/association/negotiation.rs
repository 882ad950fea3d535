//! Which associations and presentation contexts are accepted, and why not.
//!
//! A context accepted in a syntax that we cannot decode ends as an image nobody segments; a context
//! refused without need ends as a scanner queue that stops. So CT is taken only in what `volume`
//! decodes, and every other storage class in anything, because it is only kept.

use std::{collections::BTreeMap, net::IpAddr};

use dicom_dictionary_std::uids;
use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason,
    AssociationRJSource, AssociationRQ, Pdu, PresentationContextProposed,
    PresentationContextResult, PresentationContextResultReason as Outcome, UserVariableItem,
};

use super::{
    policy::{Admission, CalledRule, Policy},
    standing::Standing,
};
use crate::dicom::{
    AeTitle, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Uid, commitment,
    sop_class::{self, SopClassRole},
    transfer_syntax,
};
use crate::tls::Certificate;

/// Why an association is refused; each has its own A-ASSOCIATE-RJ (PS3.8 Table 9-21).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
    #[error("the protocol version is not supported")]
    ProtocolVersion,
    #[error("the application context is not DICOM's")]
    ApplicationContext,
    #[error("the called AE title is not ours")]
    CalledAeTitle,
    #[error("the calling AE title is not among the callers")]
    CallingAeTitle,
    #[error("the caller calls from an address that is not its own")]
    CallerAddress,
    #[error("the caller does not show the certificate that it is known by")]
    CallerCertificate,
    #[error("too many associations are open")]
    TooManyAssociations,
    #[error("storage is full")]
    NoSpace,
    #[error("storage cannot be written")]
    CannotWrite,
}

impl Rejection {
    pub const ALL: [Self; 9] = [
        Self::ProtocolVersion,
        Self::ApplicationContext,
        Self::CalledAeTitle,
        Self::CallingAeTitle,
        Self::CallerAddress,
        Self::CallerCertificate,
        Self::TooManyAssociations,
        Self::NoSpace,
        Self::CannotWrite,
    ];

    pub(crate) fn pdu(self) -> Pdu {
        use AssociationRJServiceProviderASCEReason as Acse;
        use AssociationRJServiceProviderPresentationReason as Presentation;
        use AssociationRJServiceUserReason as User;
        let (result, source) = match self {
            Self::ProtocolVersion => (
                AssociationRJResult::Permanent,
                AssociationRJSource::ServiceProviderASCE(Acse::ProtocolVersionNotSupported),
            ),
            Self::ApplicationContext => (
                AssociationRJResult::Permanent,
                AssociationRJSource::ServiceUser(User::ApplicationContextNameNotSupported),
            ),
            Self::CalledAeTitle => (
                AssociationRJResult::Permanent,
                AssociationRJSource::ServiceUser(User::CalledAETitleNotRecognized),
            ),
            Self::CallingAeTitle | Self::CallerAddress | Self::CallerCertificate => (
                AssociationRJResult::Permanent,
                AssociationRJSource::ServiceUser(User::CallingAETitleNotRecognized),
            ),
            Self::TooManyAssociations => (
                AssociationRJResult::Transient,
                AssociationRJSource::ServiceProviderPresentation(Presentation::LocalLimitExceeded),
            ),
            Self::NoSpace | Self::CannotWrite => (
                AssociationRJResult::Transient,
                AssociationRJSource::ServiceProviderPresentation(Presentation::TemporaryCongestion),
            ),
        };
        Pdu::AssociationRJ(AssociationRJ { result, source })
    }
}

/// An association we agree to.
#[derive(Debug)]
pub struct Acceptance {
    pub calling_ae: AeTitle,
    pub called_ae: AeTitle,
    /// The accepted contexts by their identifier.
    pub contexts: BTreeMap<u8, Context>,
    /// Longest P-DATA PDU the peer takes; 0 is no limit.
    pub peer_max_pdu_length: u32,
    /// The peer's Implementation Version Name, where it gives one.
    pub implementation: Option<String>,
    reply: AssociationAC,
}

/// An accepted presentation context.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Context {
    pub abstract_syntax: Uid,
    pub transfer_syntax: Uid,
    pub role: SopClassRole,
}

impl Acceptance {
    /// How many presentation contexts the peer proposed.
    pub(super) fn proposed(&self) -> usize {
        self.reply.presentation_contexts.len()
    }

    pub(super) fn pdu(&self) -> Pdu {
        Pdu::AssociationAC(self.reply.clone())
    }
}

/// Judges an association request from `peer`, who showed `certificate` if it was asked for one.
pub fn negotiate(
    request: &AssociationRQ,
    peer: IpAddr,
    certificate: Option<&Certificate>,
    policy: &Policy,
    admission: Admission,
) -> Result<Acceptance, Rejection> {
    // PS3.8 Table 9-11: only bit 0 is tested.
    if request.protocol_version & 1 == 0 {
        return Err(Rejection::ProtocolVersion);
    }
    let application_context = request
        .application_context_name
        .trim_end_matches(['\0', ' ']);
    if application_context != uids::DICOM_APPLICATION_CONTEXT {
        return Err(Rejection::ApplicationContext);
    }
    let called_ae = AeTitle::parse(&request.called_ae_title)
        .ok()
        .filter(|called| policy.called == CalledRule::Any || *called == policy.ae_title)
        .ok_or(Rejection::CalledAeTitle)?;
    let calling_ae =
        AeTitle::parse(&request.calling_ae_title).map_err(|_| Rejection::CallingAeTitle)?;
    let standing = Standing::of(request, &calling_ae, peer, certificate, policy);
    if !standing.committing {
        standing.caller?;
    }

    let mut contexts = BTreeMap::new();
    let mut results = Vec::with_capacity(request.presentation_contexts.len());
    for proposed in &request.presentation_contexts {
        let (reason, transfer_syntax) = match judge(proposed, &standing) {
            // A repeated identifier could mean either; the first keeps it.
            Ok(context) if !contexts.contains_key(&proposed.id) => {
                let syntax = context.transfer_syntax.to_string();
                contexts.insert(proposed.id, context);
                (Outcome::Acceptance, syntax)
            }
            Ok(_) => (Outcome::NoReason, not_significant()),
            Err(reason) => (reason, not_significant()),
        };
        results.push(PresentationContextResult {
            id: proposed.id,
            reason,
            transfer_syntax,
        });
    }
    // Being a destination is no reason to be let in but for what a destination has to say.
    if contexts.is_empty() {
        standing.caller?;
    }
    // An echo is answered even when nothing more can be kept.
    if contexts.values().any(|context| context.role.is_storage()) {
        match admission {
            Admission::Open => {}
            Admission::NoSpace | Admission::ReserveTouched => return Err(Rejection::NoSpace),
            Admission::CannotWrite => return Err(Rejection::CannotWrite),
        }
    }

    let variables = || request.user_variables.iter();
    Ok(Acceptance {
        peer_max_pdu_length: variables()
            .find_map(|item| match item {
                UserVariableItem::MaxLength(length) => Some(*length),
                _ => None,
            })
            .unwrap_or(UNSTATED_MAX_PDU_LENGTH),
        implementation: variables().find_map(|item| match item {
            UserVariableItem::ImplementationVersionName(name) => Some(name.clone()),
            _ => None,
        }),
        reply: AssociationAC {
            protocol_version: 1,
            calling_ae_title: calling_ae.to_string(),
            called_ae_title: called_ae.to_string(),
            application_context_name: uids::DICOM_APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: results,
            user_variables: our_variables(policy.max_pdu_length)
                .into_iter()
                .chain(standing.agreed_role(&contexts))
                .collect(),
        },
        calling_ae,
        called_ae,
        contexts,
    })
}

/// The user information items we send, as acceptor and as requestor.
pub fn our_variables(max_pdu_length: u32) -> Vec<UserVariableItem> {
    vec![
        UserVariableItem::MaxLength(max_pdu_length),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
    ]
}

fn judge(proposed: &PresentationContextProposed, standing: &Standing) -> Result<Context, Outcome> {
    let abstract_syntax =
        Uid::parse(&proposed.abstract_syntax).map_err(|_| Outcome::AbstractSyntaxNotSupported)?;
    let role = sop_class::role(&abstract_syntax);
    if role == SopClassRole::NotProvided {
        return Err(Outcome::AbstractSyntaxNotSupported);
    }
    let syntaxes = || proposed.transfer_syntaxes.iter().map(|raw| Uid::parse(raw));
    if role == SopClassRole::Commitment {
        if !standing.comes_to_report() {
            return Err(Outcome::AbstractSyntaxNotSupported);
        }
        let proposes = |syntax: &&str| syntaxes().flatten().any(|uid| uid.as_str() == *syntax);
        let chosen = commitment::TRANSFER_SYNTAXES.into_iter().find(proposes);
        let chosen = chosen.and_then(|syntax| Uid::parse(syntax).ok());
        return Ok(Context {
            transfer_syntax: chosen.ok_or(Outcome::TransferSyntaxesNotSupported)?,
            abstract_syntax,
            role,
        });
    }
    if role.is_storage() && standing.caller.is_err() {
        return Err(Outcome::UserRejection);
    }
    let decodable = syntaxes()
        .flatten()
        .filter_map(|uid| Some((transfer_syntax::preference(uid.as_str())?, uid)))
        .min()
        .map(|(_, uid)| uid);
    let chosen = match role {
        SopClassRole::CtImage | SopClassRole::EnhancedCt => decodable,
        // Kept as it is, so any syntax will do.
        _ => decodable.or_else(|| syntaxes().flatten().next()),
    };
    Ok(Context {
        transfer_syntax: chosen.ok_or(Outcome::TransferSyntaxesNotSupported)?,
        abstract_syntax,
        role,
    })
}

/// A refused context's transfer syntax is not tested, but must be there (PS3.8 §9.3.3.2).
fn not_significant() -> String {
    uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned()
}

/// For a peer that leaves out the item: the length that everyone can take.
const UNSTATED_MAX_PDU_LENGTH: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        association::{CallerRule, testing},
        dicom::transfer_syntax::DECODABLE,
    };

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn request(contexts: &[(&str, &[&str])]) -> AssociationRQ {
        let variables = vec![UserVariableItem::MaxLength(0)];
        testing::request(["CT1", "HEPAR"], contexts, variables)
    }

    fn policy() -> Policy {
        Policy::new(AeTitle::parse("HEPAR").unwrap())
    }

    fn outcome(class: &str, syntaxes: &[&str]) -> (Outcome, String) {
        let request = request(&[(class, syntaxes)]);
        let acceptance = negotiate(&request, HERE, None, &policy(), Admission::Open).unwrap();
        let result = acceptance.reply.presentation_contexts[0].clone();
        assert_eq!(
            result.reason == Outcome::Acceptance,
            acceptance.contexts.contains_key(&1)
        );
        (result.reason, result.transfer_syntax)
    }

    fn refused(change: impl FnOnce(&mut AssociationRQ, &mut Policy)) -> Rejection {
        let (mut request, mut policy) = (request(&[]), policy());
        change(&mut request, &mut policy);
        negotiate(&request, HERE, None, &policy, Admission::Open).unwrap_err()
    }

    const MPEG4: &str = "1.2.840.10008.1.2.4.102";

    #[test]
    fn ct_is_taken_in_every_syntax_we_decode_and_in_no_other() {
        for (syntax, name) in DECODABLE {
            for class in [uids::CT_IMAGE_STORAGE, uids::ENHANCED_CT_IMAGE_STORAGE] {
                assert_eq!(
                    outcome(class, &[MPEG4, syntax]),
                    (Outcome::Acceptance, syntax.to_owned()),
                    "{name}"
                );
            }
        }
        assert_eq!(
            outcome(uids::CT_IMAGE_STORAGE, &[MPEG4, "1.2.3.4"]).0,
            Outcome::TransferSyntaxesNotSupported
        );
        assert_eq!(
            outcome(uids::CT_IMAGE_STORAGE, &[]).0,
            Outcome::TransferSyntaxesNotSupported
        );
    }

    #[test]
    fn our_preference_decides_not_the_order_of_the_proposal() {
        let lossy_first = [
            uids::JPEG_BASELINE8_BIT,
            uids::JPEG_LOSSLESS_SV1,
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
        ];
        assert_eq!(
            outcome(uids::CT_IMAGE_STORAGE, &lossy_first).1,
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        );
    }

    #[test]
    fn other_storage_classes_are_kept_in_whatever_they_come_in() {
        let video = uids::VIDEO_ENDOSCOPIC_IMAGE_STORAGE;
        for class in [video, "1.3.12.2.1107.5.9.1"] {
            assert_eq!(
                outcome(class, &[MPEG4, "1.2.3"]),
                (Outcome::Acceptance, MPEG4.to_owned())
            );
        }
        assert_eq!(
            outcome(video, &[MPEG4, uids::EXPLICIT_VR_LITTLE_ENDIAN]).1,
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        );
        assert_eq!(
            outcome(video, &["no UID"]).0,
            Outcome::TransferSyntaxesNotSupported
        );
    }

    #[test]
    fn other_services_and_nonsense_are_refused_as_abstract_syntaxes() {
        for class in [
            "1.2.840.10008.5.1.4.1.2.2.1",
            "1.2.840.10008.1.20.1",
            "",
            "../etc",
        ] {
            assert_eq!(
                outcome(class, &[uids::IMPLICIT_VR_LITTLE_ENDIAN]).0,
                Outcome::AbstractSyntaxNotSupported,
                "{class}"
            );
        }
    }

    #[test]
    fn a_repeated_context_identifier_belongs_to_the_first() {
        let ts: &[&str] = &[uids::IMPLICIT_VR_LITTLE_ENDIAN];
        let mut request = request(&[(uids::VERIFICATION, ts), (uids::CT_IMAGE_STORAGE, ts)]);
        request.presentation_contexts[1].id = 1;
        let acceptance = negotiate(&request, HERE, None, &policy(), Admission::Open).unwrap();
        assert_eq!(acceptance.contexts[&1].role, SopClassRole::Verification);
        assert_eq!(
            acceptance.reply.presentation_contexts[1].reason,
            Outcome::NoReason
        );
    }

    #[test]
    fn each_refusal_has_the_reason_a_technician_can_act_on() {
        use Rejection::*;
        assert_eq!(refused(|rq, _| rq.protocol_version = 2), ProtocolVersion);
        assert_eq!(
            refused(|rq, _| rq.application_context_name = "1.2".into()),
            ApplicationContext
        );
        assert_eq!(
            refused(|rq, _| rq.called_ae_title = "ELSE".into()),
            CalledAeTitle
        );
        assert_eq!(
            refused(|rq, policy| {
                policy.called = CalledRule::Any;
                rq.called_ae_title = "\\".into();
            }),
            CalledAeTitle
        );
        assert_eq!(
            refused(|rq, _| rq.calling_ae_title = " ".into()),
            CallingAeTitle
        );
        assert_eq!(
            refused(|_, policy| policy.callers = vec![CallerRule {
                ae_title: Some(AeTitle::parse("CT1").unwrap()),
                address: Some("10.0.0.1".parse().unwrap()),
                certificate: None,
            }]),
            CallerAddress
        );

        // Result, source, reason of PS3.8 Table 9-21.
        for (rejection, bytes) in [
            (ProtocolVersion, [1, 2, 2]),
            (ApplicationContext, [1, 1, 2]),
            (CalledAeTitle, [1, 1, 7]),
            (CallingAeTitle, [1, 1, 3]),
            (CallerAddress, [1, 1, 3]),
            (CallerCertificate, [1, 1, 3]),
            (TooManyAssociations, [2, 3, 2]),
            (NoSpace, [2, 3, 1]),
            (CannotWrite, [2, 3, 1]),
        ] {
            let pdu = super::super::pdu::encode(&rejection.pdu()).unwrap();
            assert_eq!(pdu[7..], bytes, "{rejection}");
        }
    }

    #[test]
    fn any_called_title_is_taken_where_the_policy_says_so() {
        let (mut request, mut policy) = (request(&[]), policy());
        request.called_ae_title = "ANY-SCP".into();
        policy.called = CalledRule::Any;
        let acceptance = negotiate(&request, HERE, None, &policy, Admission::Open).unwrap();
        assert_eq!(acceptance.called_ae.as_str(), "ANY-SCP");
    }

    #[test]
    fn where_nothing_can_be_kept_storage_is_refused_for_now_and_echo_is_not() {
        let ts: &[&str] = &[uids::IMPLICIT_VR_LITTLE_ENDIAN];
        let store = request(&[(uids::CT_IMAGE_STORAGE, ts)]);
        let echo = request(&[(uids::VERIFICATION, ts)]);
        for (admission, reason) in [
            (Admission::NoSpace, Rejection::NoSpace),
            (Admission::ReserveTouched, Rejection::NoSpace),
            (Admission::CannotWrite, Rejection::CannotWrite),
        ] {
            let refused = negotiate(&store, HERE, None, &policy(), admission);
            assert_eq!(refused.unwrap_err(), reason);
            assert!(negotiate(&echo, HERE, None, &policy(), admission).is_ok());
        }
    }

    #[test]
    fn the_peers_limit_is_taken_as_stated() {
        let mut request = request(&[]);
        let limit = |request: &AssociationRQ| {
            negotiate(request, HERE, None, &policy(), Admission::Open)
                .unwrap()
                .peer_max_pdu_length
        };
        assert_eq!(limit(&request), 0);
        request.user_variables.clear();
        assert_eq!(limit(&request), UNSTATED_MAX_PDU_LENGTH);
    }
}
