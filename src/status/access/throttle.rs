//! Whether a login may be tried now.
//!
//! Failures are counted for the name and for the address, each on its own: one machine that tries
//! many names is slowed, and so is one name that is tried from many machines. The first failures
//! cost nothing, then each doubles the wait, then the door stays shut for [`Limits::locked_for`]
//! and opens by itself. An attempt is counted before its password is looked at and forgiven if it
//! was right, so that attempts made at the same time do not slip past the count.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// How much failing is forgiven.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Failures that cost nothing; each further one doubles a wait that begins at a second.
    pub free: u32,
    /// Failures after which the door shuts.
    pub lock_at: u32,
    /// For how long; and failures older than this are forgotten.
    pub locked_for: Duration,
}

/// A person mistypes; a script does not stop.
const OF_NAME: Limits = Limits {
    free: 4,
    lock_at: 10,
    locked_for: Duration::from_mins(15),
};

/// Higher, because a department may sit behind one address.
const OF_ADDRESS: Limits = Limits {
    free: 12,
    lock_at: 30,
    locked_for: Duration::from_mins(15),
};

/// Names and addresses that are remembered, each.
const REMEMBERED: usize = 4096;

/// Why an attempt may not be made now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait {
    pub left: Duration,
    /// Whether the door is shut, rather than slow.
    pub locked: bool,
}

impl Wait {
    /// For people and for `Retry-After`.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.left.as_secs() + u64::from(self.left.subsec_nanos() > 0)
    }
}

/// What a failed attempt led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consequence {
    None,
    /// This failure shut the door: worth a line in the audit trail.
    Locked,
}

#[derive(Debug)]
pub struct Throttle {
    names: Counts<String>,
    addresses: Counts<IpAddr>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            names: Counts::new(OF_NAME),
            addresses: Counts::new(OF_ADDRESS),
        }
    }
}

impl Throttle {
    /// Counts an attempt as failed and says whether it may be made.
    pub fn begin(
        &mut self,
        name: &str,
        address: IpAddr,
        now: Instant,
    ) -> Result<Consequence, Wait> {
        let address = host(address);
        let waits = [
            self.names.wait(name, now),
            self.addresses.wait(&address, now),
        ];
        if let Some(wait) = waits.into_iter().flatten().max_by_key(|wait| wait.left) {
            return Err(wait);
        }
        let name = self.names.failed(name.to_owned(), now);
        let address = self.addresses.failed(address, now);
        if name == Consequence::Locked || address == Consequence::Locked {
            return Ok(Consequence::Locked);
        }
        Ok(Consequence::None)
    }

    /// The attempt was right. The name starts anew; the address is only forgiven this attempt, or
    /// whoever has one password could try others for ever.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.names.by_key.remove(name);
        let address = host(address);
        if let Some(count) = self.addresses.by_key.get_mut(&address) {
            count.failures = count.failures.saturating_sub(1);
        }
    }

    /// For how long the door is shut to this name; `None`: it is open, if perhaps slow.
    pub fn locked_for(&self, name: &str, now: Instant) -> Option<Duration> {
        let wait = self.names.wait(name, now);
        wait.filter(|wait| wait.locked).map(|wait| wait.left)
    }

    /// Whether this address must wait, whatever name it brings.
    pub fn address_waits(&self, address: IpAddr, now: Instant) -> Option<Wait> {
        self.addresses.wait(&host(address), now)
    }

    /// Counts a wrong token, which names nobody.
    pub fn wrong_token(&mut self, address: IpAddr, now: Instant) {
        self.addresses.failed(host(address), now);
    }
}

/// One machine: an IPv6 host has a whole /64 to itself.
pub(in crate::status) fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[derive(Debug)]
struct Counts<K> {
    limits: Limits,
    by_key: HashMap<K, Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    last: Instant,
}

impl<K: Clone + Eq + Hash> Counts<K> {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_key: HashMap::new(),
        }
    }

    fn wait<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: Instant) -> Option<Wait>
    where
        K: std::borrow::Borrow<Q>,
    {
        let count = self.by_key.get(key)?;
        let locked = count.failures >= self.limits.lock_at;
        let wait = match count.failures.checked_sub(self.limits.free) {
            _ if locked => self.limits.locked_for,
            Some(over) if over > 0 => Duration::from_secs(1 << (over - 1).min(30)),
            _ => return None,
        };
        let left = (count.last + wait.min(self.limits.locked_for)).checked_duration_since(now)?;
        (!left.is_zero()).then_some(Wait { left, locked })
    }

    fn failed(&mut self, key: K, now: Instant) -> Consequence {
        let limits = self.limits;
        let forgotten = |count: &Count| now.duration_since(count.last) >= limits.locked_for;
        if !self.by_key.contains_key(&key) && self.by_key.len() >= REMEMBERED {
            self.by_key.retain(|_, count| !forgotten(count));
            self.forget_the_mildest();
        }
        let fresh = Count {
            failures: 0,
            last: now,
        };
        let count = self.by_key.entry(key).or_insert(fresh);
        if forgotten(count) {
            *count = fresh;
        }
        count.failures += 1;
        count.last = now;
        if count.failures == limits.lock_at {
            Consequence::Locked
        } else {
            Consequence::None
        }
    }

    /// Makes room. Whoever failed most is remembered longest: a flood of invented names must not
    /// wash out the name that is under attack.
    fn forget_the_mildest(&mut self) {
        while self.by_key.len() >= REMEMBERED {
            let mildest = self.by_key.iter();
            let mildest = mildest.min_by_key(|(_, count)| (count.failures, count.last));
            let Some(key) = mildest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Tries as soon as it may, `attempts` times; how long that took, and how often the door shut.
    fn insist(name: &str, attempts: u32) -> (Duration, u32) {
        let (mut throttle, t0) = (Throttle::default(), Instant::now());
        let (mut now, mut shut) = (t0, 0);
        for _ in 0..attempts {
            loop {
                match throttle.begin(name, HERE, now) {
                    Ok(consequence) => {
                        shut += u32::from(consequence == Consequence::Locked);
                        break;
                    }
                    Err(wait) => now += wait.left,
                }
            }
        }
        (now - t0, shut)
    }

    #[test]
    fn mistyping_a_few_times_costs_nothing() {
        assert_eq!(insist("anna", 5), (Duration::ZERO, 0));
    }

    #[test]
    fn insisting_is_slowed_and_then_locked_out() {
        assert_eq!(insist("anna", 6), (Duration::from_secs(1), 0));
        assert_eq!(insist("anna", 8), (Duration::from_secs(1 + 2 + 4), 0));
        let (took, shut) = insist("anna", 10);
        assert_eq!((took, shut), (Duration::from_secs(1 + 2 + 4 + 8 + 16), 1));
        let (took, _) = insist("anna", 1000);
        let guesses_a_day = 1000.0 / took.as_secs_f64() * 86_400.0;
        assert!(guesses_a_day < 1100.0, "{guesses_a_day}");
    }

    #[test]
    fn a_lock_out_ends_by_itself() {
        let (mut throttle, t0) = (Throttle::default(), Instant::now());
        let mut now = t0;
        while !matches!(throttle.begin("anna", HERE, now), Ok(Consequence::Locked)) {
            now += Duration::from_secs(20);
        }
        let wait = throttle.begin("anna", HERE, now).unwrap_err();
        assert!(wait.locked && wait.left == OF_NAME.locked_for);
        now += OF_NAME.locked_for;
        assert_eq!(throttle.begin("anna", HERE, now), Ok(Consequence::None));
    }

    #[test]
    fn the_right_password_wipes_the_slate_of_its_name_only() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..4 {
            throttle.begin("anna", HERE, now).unwrap();
        }
        throttle.succeeded("anna", HERE);
        for _ in 0..5 {
            throttle.begin("anna", HERE, now).unwrap();
        }
        assert!(throttle.begin("anna", HERE, now).is_err());
        assert!(throttle.begin("bert", HERE, now).is_ok());
    }

    #[test]
    fn one_machine_cannot_try_many_names() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let network = "2001:db8::".parse::<Ipv6Addr>().unwrap();
        let tried = (0..100_u128).take_while(|i| {
            let address = IpAddr::V6(Ipv6Addr::from_bits(network.to_bits() + i));
            throttle.begin(&format!("user{i}"), address, now).is_ok()
        });
        assert_eq!(tried.count(), OF_ADDRESS.free as usize + 1);
        let neighbour = "2001:db8:0:1::1".parse().unwrap();
        assert!(throttle.begin("anna", neighbour, now).is_ok());
    }

    #[test]
    fn invented_names_fill_no_memory_and_wash_out_nothing() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let address = |i: u32| IpAddr::V4(i.into());
        for i in 0..5 {
            throttle.begin("anna", address(i), now).unwrap();
        }
        for i in 0..5_000 {
            throttle
                .begin(&format!("user{i}"), address(i), now)
                .unwrap();
        }
        assert_eq!(throttle.names.by_key.len(), REMEMBERED);
        assert_eq!(throttle.addresses.by_key.len(), REMEMBERED);
        assert!(throttle.begin("anna", address(7), now).is_err());
    }
}
