//! Who sends, who was turned away, and what the former negotiated.
//!
//! Kept in memory, because it answers "does the scanner reach this box, and how does it send" for
//! whoever is setting it up now. Anybody on the network can add to it, so it is bounded and shows
//! names as they were printed for the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use jiff::Timestamp;
use serde::Serialize;

/// How many callers, and how many refused ones, are remembered; the one not heard of for longest
/// makes room.
const REMEMBERED: usize = 64;

/// A caller, by its AE title and address.
type Name = (String, IpAddr);

#[derive(Clone, Debug, Default)]
pub struct Callers {
    seen: BTreeMap<Name, Seen>,
    refused: BTreeMap<Name, Refused>,
}

/// What a caller's latest association agreed on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    pub calling_ae: String,
    pub address: IpAddr,
    pub called_ae: String,
    /// Implementation Version Name, where it gives one.
    pub implementation: Option<String>,
    /// Presentation contexts it proposed, and those that were accepted.
    pub proposed: usize,
    pub accepted: usize,
    /// Names of the accepted SOP classes and transfer syntaxes.
    pub sop_classes: BTreeSet<String>,
    pub transfer_syntaxes: BTreeSet<String>,
    pub last_seen: Timestamp,
    pub associations: u64,
}

/// A caller that was turned away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    pub calling_ae: String,
    pub address: IpAddr,
    pub called_ae: String,
    pub reason: String,
    /// The configuration does not name this caller, so a few lines there would admit it.
    pub unknown: bool,
    pub last_seen: Timestamp,
    pub times: u64,
}

impl Callers {
    /// An association was accepted; `caller.associations` is counted here.
    pub fn accepted(&mut self, mut caller: Seen) {
        let name = (caller.calling_ae.clone(), caller.address);
        let before = self.seen.get(&name).map_or(0, |seen| seen.associations);
        caller.associations = before + 1;
        self.refused.remove(&name);
        self.seen.insert(name, caller);
        make_room(&mut self.seen, |seen| seen.last_seen);
    }

    /// An association was refused; `caller.times` is counted here.
    pub fn refused(&mut self, mut caller: Refused) {
        let name = (caller.calling_ae.clone(), caller.address);
        let before = self.refused.get(&name).map_or(0, |refused| refused.times);
        caller.times = before + 1;
        self.refused.insert(name, caller);
        make_room(&mut self.refused, |refused| refused.last_seen);
    }

    /// Latest first.
    #[must_use]
    pub fn all_seen(&self) -> Vec<&Seen> {
        let mut seen: Vec<_> = self.seen.values().collect();
        seen.sort_by_key(|seen| std::cmp::Reverse(seen.last_seen));
        seen
    }

    /// Latest first.
    #[must_use]
    pub fn all_refused(&self) -> Vec<&Refused> {
        let mut refused: Vec<_> = self.refused.values().collect();
        refused.sort_by_key(|refused| std::cmp::Reverse(refused.last_seen));
        refused
    }
}

fn make_room<T>(known: &mut BTreeMap<Name, T>, last: impl Fn(&T) -> Timestamp) {
    while known.len() > REMEMBERED {
        let oldest = known.iter().min_by_key(|(_, caller)| last(caller));
        let Some(name) = oldest.map(|(name, _)| name.clone()) else {
            return;
        };
        known.remove(&name);
    }
}

impl Refused {
    /// What to add to the configuration so that this caller is admitted. The title came from the
    /// network: it is quoted as TOML quotes, not pasted.
    #[must_use]
    pub fn snippet(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        format!(
            "[[caller]]\nae-title = {}\naddress = {}\n",
            quoted(&self.calling_ae),
            quoted(&self.address.to_string()),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn refused(calling_ae: &str, second: i64) -> Refused {
        Refused {
            calling_ae: calling_ae.to_owned(),
            address: Ipv4Addr::new(10, 0, 0, 9).into(),
            called_ae: "HEPAR".to_owned(),
            reason: "not allowed".to_owned(),
            unknown: true,
            last_seen: Timestamp::from_second(second).unwrap(),
            times: 0,
        }
    }

    #[test]
    fn a_flood_of_names_costs_no_more_than_the_oldest_ones() {
        let mut callers = Callers::default();
        for number in 0..200 {
            callers.refused(refused(&format!("CT{number}"), number));
        }
        callers.refused(refused("CT199", 300));
        let kept = callers.all_refused();
        assert_eq!(kept.len(), REMEMBERED);
        assert_eq!((&*kept[0].calling_ae, kept[0].times), ("CT199", 2));
        assert!(kept.iter().all(|caller| caller.last_seen.as_second() > 100));
    }

    #[test]
    fn the_snippet_is_configuration_whatever_the_title_holds() {
        for title in ["CT9", "A\"]\n[x", "a\\b", "'''"] {
            let snippet = refused(title, 0).snippet();
            let read: toml::Table = toml::from_str(&snippet).unwrap();
            assert_eq!(read.len(), 1, "{snippet}");
            let caller = &read["caller"][0];
            assert_eq!(caller["ae-title"].as_str(), Some(title));
            assert_eq!(caller["address"].as_str(), Some("10.0.0.9"));
        }
        let text = refused("CT9", 0).snippet();
        let config = crate::config::Config::parse(&text, "x.toml".as_ref()).unwrap();
        assert_eq!(config.callers.len(), 1);
    }
}
