//! Who comes to report on a commitment, and what else that lets it do.
//!
//! A PACS that was asked to commit calls back, perhaps hours later, on an association of its own. It
//! is a destination and mostly no caller of the configuration, so the rules for callers would turn it
//! away and nothing would ever count as committed. It is let in by its AE title, to report and to
//! verify, and stores nothing.
//! An AE title is only what a peer says of itself; what counts is the transaction, which is random
//! and was told to that destination alone.

use std::{collections::BTreeMap, net::IpAddr};

use dicom_dictionary_std::uids;
use dicom_ul::pdu::{AssociationRQ, RequestorRoles, UserVariableItem};

use super::{Rejection, caller, negotiation::Context, policy::Policy};
use crate::{
    dicom::{AeTitle, sop_class::SopClassRole},
    tls::Certificate,
};

/// Who asks, as far as presentation contexts depend on it.
pub(super) struct Standing {
    /// `Err`: why it may not send.
    pub caller: Result<(), Rejection>,
    /// It is a destination that is asked to commit.
    pub committing: bool,
    /// There is one at all.
    any_committing: bool,
    /// The roles it proposes for Storage Commitment; `None`: it is the SCU by default.
    roles: Option<RequestorRoles>,
}

impl Standing {
    pub(super) fn of(
        request: &AssociationRQ,
        calling_ae: &AeTitle,
        peer: IpAddr,
        certificate: Option<&Certificate>,
        policy: &Policy,
    ) -> Self {
        Self {
            caller: caller::judge(&policy.callers, calling_ae, peer, certificate),
            committing: policy.committing.contains(calling_ae),
            any_committing: !policy.committing.is_empty(),
            roles: request.user_variables.iter().find_map(|item| match item {
                UserVariableItem::ScuScpRoleSelectionSubItem(class, roles)
                    if class.trim_end_matches(['\0', ' '])
                        == uids::STORAGE_COMMITMENT_PUSH_MODEL =>
                {
                    Some(*roles)
                }
                _ => None,
            }),
        }
    }

    /// Whether a peer that proposes Storage Commitment comes to report. One that selects no role
    /// would by default ask us to commit, which we never do; but archives forget the selection, and
    /// a destination that was asked has nothing else to say.
    pub(super) fn comes_to_report(&self) -> bool {
        match self.roles {
            Some(roles) => roles.scp && self.any_committing,
            None => self.committing,
        }
    }

    /// The answer to a selection of roles: of this service we are only the user (PS3.7 D.3.3.4).
    pub(super) fn agreed_role(&self, accepted: &BTreeMap<u8, Context>) -> Option<UserVariableItem> {
        let mut accepted = accepted.values();
        let reports = accepted.any(|context| context.role == SopClassRole::Commitment);
        let roles = RequestorRoles {
            scu: false,
            scp: true,
        };
        (reports && self.roles.is_some()).then(|| {
            let class = uids::STORAGE_COMMITMENT_PUSH_MODEL.to_owned();
            UserVariableItem::ScuScpRoleSelectionSubItem(class, roles)
        })
    }
}

#[cfg(test)]
mod tests {
    use dicom_ul::pdu::Pdu;

    use super::*;
    use crate::association::{Admission, CallerRule, negotiation::negotiate, testing};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    const COMMITMENT: &str = uids::STORAGE_COMMITMENT_PUSH_MODEL;

    /// Where PACS is asked to commit; CT1 is the only caller.
    fn committing() -> Policy {
        let title = |text| AeTitle::parse(text).unwrap();
        Policy {
            committing: vec![title("PACS")],
            callers: vec![CallerRule {
                ae_title: Some(title("CT1")),
                ..CallerRule::default()
            }],
            ..Policy::new(title("HEPAR"))
        }
    }

    /// A request of `title` for `classes`, which selects these roles for Storage Commitment.
    fn from(title: &str, classes: &[&str], roles: Option<(bool, bool)>) -> AssociationRQ {
        let selected = roles.map(|(scu, scp)| {
            let roles = RequestorRoles { scu, scp };
            UserVariableItem::ScuScpRoleSelectionSubItem(COMMITMENT.to_owned(), roles)
        });
        let syntaxes = &[uids::IMPLICIT_VR_LITTLE_ENDIAN][..];
        let contexts: Vec<_> = classes.iter().map(|class| (*class, syntaxes)).collect();
        let variables = selected.into_iter().collect();
        testing::request([title, "HEPAR"], &contexts, variables)
    }

    fn accepted(request: &AssociationRQ, policy: &Policy) -> Result<Vec<SopClassRole>, Rejection> {
        let acceptance = negotiate(request, HERE, None, policy, Admission::Open)?;
        Ok(acceptance
            .contexts
            .values()
            .map(|context| context.role)
            .collect())
    }

    #[test]
    fn a_destination_may_report_though_it_is_no_caller_and_still_not_store() {
        let policy = committing();
        let report = [SopClassRole::Commitment];
        for roles in [None, Some((false, true)), Some((true, true))] {
            let request = from("PACS", &[uids::CT_IMAGE_STORAGE, COMMITMENT], roles);
            assert_eq!(accepted(&request, &policy).unwrap(), report);
        }
        let verify = accepted(&from("PACS", &[uids::VERIFICATION], None), &policy);
        assert_eq!(verify.unwrap(), [SopClassRole::Verification]);
        for classes in [&[uids::CT_IMAGE_STORAGE][..], &[]] {
            let refused = accepted(&from("PACS", classes, None), &policy);
            assert_eq!(refused.unwrap_err(), Rejection::CallingAeTitle);
        }
        let stranger = accepted(&from("OTHER", &[COMMITMENT], Some((false, true))), &policy);
        assert_eq!(stranger.unwrap_err(), Rejection::CallingAeTitle);
    }

    #[test]
    fn the_selected_role_is_agreed_to_and_only_where_one_was_selected() {
        let answer = |roles| {
            let request = from("PACS", &[COMMITMENT], roles);
            let acceptance = negotiate(&request, HERE, None, &committing(), Admission::Open);
            let Pdu::AssociationAC(reply) = acceptance.unwrap().pdu() else {
                panic!("an acceptance");
            };
            reply
                .user_variables
                .into_iter()
                .find_map(|item| match item {
                    UserVariableItem::ScuScpRoleSelectionSubItem(class, roles) => {
                        assert_eq!(class, COMMITMENT);
                        Some((roles.scu, roles.scp))
                    }
                    _ => None,
                })
        };
        assert_eq!(answer(Some((true, true))), Some((false, true)));
        assert_eq!(answer(Some((false, true))), Some((false, true)));
        assert_eq!(answer(None), None);
    }

    #[test]
    fn nobody_finds_a_box_that_commits_to_anything() {
        let refused = |title, roles, policy: &Policy| {
            let request = from(title, &[COMMITMENT], roles);
            accepted(&request, policy).unwrap().is_empty()
        };
        let asks = Some((true, false));
        assert!(refused("CT1", None, &committing()));
        assert!(refused("CT1", asks, &committing()));
        let nobody = Policy::new(AeTitle::parse("HEPAR").unwrap());
        let open = Policy {
            committing: committing().committing,
            ..nobody.clone()
        };
        assert!(refused("PACS", asks, &open));
        let scp = Some((false, true));
        assert!(
            !refused("CT1", scp, &open),
            "it may report, and is judged by what it reports"
        );
        assert!(refused("CT1", scp, &nobody), "nobody is asked to commit");
    }
}
