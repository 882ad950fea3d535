//! Deciding what an update does next. Nothing here opens, runs or waits for anything.

use serde::{Deserialize, Serialize};

use super::{Slot, View};

/// What is to replace what, and what the new system will be measured against.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    pub version: String,
    pub from: Slot,
    pub to: Slot,
    /// Destinations that answered before the update. The new system must reach these; a PACS that
    /// was already down says nothing about it.
    pub reachable: Vec<String>,
}

/// How far the update is. On stable storage outside both slots, before what it announces is done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "state")]
pub enum Record {
    /// The other slot is being overwritten.
    Writing {
        plan: Plan,
    },
    /// The next start is from the new system, or this one was.
    Trial {
        plan: Plan,
    },
    /// The new system failed its examination.
    GoingBack {
        plan: Plan,
        reason: String,
    },
    Ended {
        plan: Plan,
        outcome: Outcome,
    },
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "result")]
pub enum Outcome {
    Confirmed,
    RolledBack {
        reason: String,
    },
    /// The slot was not written to its end; the old system was never left.
    Interrupted,
}

/// One thing to do. Whoever does them does them in order, and may lose power after any of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    Record(Record),
    BootNext(Slot),
    /// Keeps the running slot.
    MarkGood,
    Restart,
}

/// What a start, or a look in between, finds to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// This is the new system, on trial: examine it, then ask [`after_examination`].
    Examine(Plan),
    /// Nothing is recorded. Either there never was an update, or this is a new system that does not
    /// see where it is recorded; so what runs is only kept if it works.
    KeepIfItWorks,
    Do(Vec<Effect>),
}

/// Before the other slot is overwritten. It must not be the next to start while it is in pieces,
/// which it would be after an earlier update that still waits for its restart.
#[must_use]
pub fn before_writing(plan: Plan) -> Vec<Effect> {
    vec![
        Effect::BootNext(plan.from),
        Effect::Record(Record::Writing { plan }),
    ]
}

/// After the other slot was written and verified.
#[must_use]
pub fn written(plan: Plan) -> Vec<Effect> {
    let to = plan.to;
    vec![Effect::Record(Record::Trial { plan }), Effect::BootNext(to)]
}

/// What to do at a start, given what was recorded and what the firmware says.
///
/// The firmware counts every start that nobody vouches for, so a system that is not on trial is
/// marked good here as well.
#[must_use]
pub fn at_boot(record: Option<&Record>, view: View) -> Decision {
    let Some(record) = record else {
        return Decision::KeepIfItWorks;
    };
    match record {
        Record::Ended { .. } => Decision::Do(vec![Effect::MarkGood]),
        Record::Writing { plan } | Record::Trial { plan } if view.running == plan.to => {
            Decision::Examine(plan.clone())
        }
        // The new system waits for a restart; whoever wrote it may have switched to it before we
        // recorded that.
        Record::Writing { plan } | Record::Trial { plan } if view.next == plan.to => {
            if view.bootable[plan.to.number()] {
                Decision::Do(vec![Effect::MarkGood])
            } else {
                Decision::Do(back(plan, NEVER_CAME_UP))
            }
        }
        Record::Writing { plan } => end(plan, Outcome::Interrupted),
        // The power failed between the record and the switch, or the firmware gave the slot up.
        Record::Trial { plan } => Decision::Do(back(plan, NEVER_CAME_UP)),
        Record::GoingBack { plan, .. } if view.running == plan.to => {
            Decision::Do(vec![Effect::BootNext(plan.from), Effect::Restart])
        }
        Record::GoingBack { plan, reason } => Decision::Do(back(plan, reason)),
    }
}

const NEVER_CAME_UP: &str = "the new system did not start, or was never started";

/// After the new system was examined; `Err` says what it failed at.
#[must_use]
pub fn after_examination(plan: Plan, examined: Result<(), String>) -> Vec<Effect> {
    match examined {
        Ok(()) => vec![
            Effect::MarkGood,
            Effect::Record(Record::Ended {
                plan,
                outcome: Outcome::Confirmed,
            }),
        ],
        Err(reason) => {
            let from = plan.from;
            vec![
                Effect::Record(Record::GoingBack { plan, reason }),
                Effect::BootNext(from),
                Effect::Restart,
            ]
        }
    }
}

/// The old system runs again. It stays the next one before the update counts as over.
fn back(plan: &Plan, reason: &str) -> Vec<Effect> {
    let outcome = Outcome::RolledBack {
        reason: reason.to_owned(),
    };
    vec![
        Effect::MarkGood,
        Effect::BootNext(plan.from),
        Effect::Record(Record::Ended {
            plan: plan.clone(),
            outcome,
        }),
    ]
}

fn end(plan: &Plan, outcome: Outcome) -> Decision {
    let plan = plan.clone();
    let ended = Effect::Record(Record::Ended { plan, outcome });
    Decision::Do(vec![Effect::MarkGood, ended])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies in a slot.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum System {
        Old,
        InPieces,
        /// Whole, and as good as the case says.
        New,
    }

    /// How good the new system is.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Quality {
        Good,
        FailsItsExamination,
        DoesNotStart,
    }

    /// A box with a firmware that tries a slot three times before it gives it up.
    struct Machine {
        slots: [System; 2],
        attempts: [u8; 2],
        running: Slot,
        next: Slot,
        record: Option<Record>,
        quality: Quality,
        /// Effects and writes until the power fails; once.
        power: Option<usize>,
        restarts: u32,
    }

    struct PowerLost;

    impl Machine {
        fn new(from: Slot, quality: Quality, power: Option<usize>) -> Self {
            Self {
                slots: [System::Old; 2],
                attempts: [3; 2],
                running: from,
                next: from,
                record: None,
                quality,
                power,
                restarts: 0,
            }
        }

        fn view(&self) -> View {
            View {
                running: self.running,
                next: self.next,
                bootable: self.attempts.map(|left| left > 0),
            }
        }

        fn spend(&mut self) -> Result<(), PowerLost> {
            match &mut self.power {
                Some(0) => {
                    self.power = None;
                    Err(PowerLost)
                }
                Some(left) => {
                    *left -= 1;
                    Ok(())
                }
                None => Ok(()),
            }
        }

        fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), PowerLost> {
            for effect in effects {
                self.spend()?;
                match effect {
                    Effect::Record(record) => self.record = Some(record),
                    Effect::BootNext(slot) => {
                        self.next = slot;
                        self.attempts[slot.number()] = 3;
                    }
                    Effect::MarkGood => self.attempts[self.running.number()] = 3,
                    Effect::Restart => return Err(PowerLost),
                }
            }
            Ok(())
        }

        fn install(&mut self, plan: Plan) -> Result<(), PowerLost> {
            let to = plan.to;
            self.carry_out(before_writing(plan.clone()))?;
            assert_eq!(self.next, plan.from, "a slot in pieces must not be next");
            self.spend()?;
            self.slots[to.number()] = System::InPieces;
            self.spend()?;
            self.slots[to.number()] = System::New;
            self.spend()?;
            // As RAUC does when it is finished.
            self.next = to;
            self.carry_out(written(plan))
        }

        /// The firmware starts what it can; `false` if nothing does.
        fn start(&mut self) -> bool {
            self.restarts += 1;
            for slot in [self.next, self.next.other()] {
                let starts = match self.slots[slot.number()] {
                    System::Old => true,
                    System::InPieces => false,
                    System::New => self.quality != Quality::DoesNotStart,
                };
                if starts && self.attempts[slot.number()] > 0 {
                    self.attempts[slot.number()] -= 1;
                    self.running = slot;
                    self.next = slot;
                    return true;
                }
                self.attempts[slot.number()] = 0;
            }
            false
        }

        /// What the unit at every start does.
        fn confirm(&mut self) -> Result<(), PowerLost> {
            match at_boot(self.record.as_ref(), self.view()) {
                Decision::Do(effects) => self.carry_out(effects),
                Decision::KeepIfItWorks => self.carry_out(vec![Effect::MarkGood]),
                Decision::Examine(plan) => {
                    let passed = match self.quality {
                        Quality::Good => Ok(()),
                        _ => Err("no".to_owned()),
                    };
                    self.carry_out(after_examination(plan, passed))
                }
            }
        }

        fn is_settled(&self) -> bool {
            matches!(self.record, None | Some(Record::Ended { .. }))
        }
    }

    fn plan(from: Slot) -> Plan {
        Plan {
            version: "2".to_owned(),
            from,
            to: from.other(),
            reachable: Vec::new(),
        }
    }

    /// Installs, and restarts until nothing is left to do.
    fn update(from: Slot, quality: Quality, power: Option<usize>) -> Machine {
        let mut machine = Machine::new(from, quality, power);
        // An operator restarts the box after a finished installation, too.
        let _ = machine.install(plan(from));
        for _ in 0..6 {
            assert!(machine.start(), "nothing starts: {power:?}");
            while machine.confirm().is_err() {
                assert!(machine.start(), "nothing starts: {power:?}");
                assert!(machine.restarts < 12, "restarts for ever: {power:?}");
            }
        }
        machine
    }

    #[test]
    fn a_good_system_is_kept_and_a_bad_one_is_left() {
        for from in [Slot::A, Slot::B] {
            let good = update(from, Quality::Good, None);
            assert_eq!(good.running, from.other());
            let Some(Record::Ended { outcome, .. }) = good.record else {
                panic!("not at an end");
            };
            assert_eq!(outcome, Outcome::Confirmed);

            for quality in [Quality::FailsItsExamination, Quality::DoesNotStart] {
                let bad = update(from, quality, None);
                assert_eq!(bad.running, from, "{quality:?}");
                let Some(Record::Ended { outcome, .. }) = bad.record else {
                    panic!("not at an end");
                };
                assert!(matches!(outcome, Outcome::RolledBack { .. }), "{quality:?}");
            }
        }
    }

    #[test]
    fn power_lost_at_any_step_ends_at_a_system_that_works() {
        let (mut old, mut new) = (0, 0);
        for quality in [
            Quality::Good,
            Quality::FailsItsExamination,
            Quality::DoesNotStart,
        ] {
            for step in 0..20 {
                let machine = update(Slot::A, quality, Some(step));
                assert!(machine.is_settled(), "{quality:?}, step {step}");
                assert_eq!(machine.running, machine.next, "{quality:?}, step {step}");
                if machine.running == Slot::B {
                    assert_eq!(quality, Quality::Good, "step {step}");
                    assert_eq!(machine.slots[1], System::New, "step {step}");
                    new += 1;
                } else {
                    old += 1;
                }
            }
        }
        assert!(old > 20 && new > 5, "{old} stayed, {new} moved");
    }

    #[test]
    fn an_update_that_waits_for_its_restart_can_be_replaced() {
        let mut machine = Machine::new(Slot::A, Quality::Good, None);
        assert!(machine.install(plan(Slot::A)).is_ok());
        assert!(machine.confirm().is_ok());
        assert_eq!((machine.running, machine.next), (Slot::A, Slot::B));
        assert!(machine.install(plan(Slot::A)).is_ok());
        assert!(machine.start() && machine.confirm().is_ok());
        assert_eq!(machine.running, Slot::B);
    }

    #[test]
    fn without_a_record_nobody_is_vouched_for_unseen() {
        let machine = Machine::new(Slot::B, Quality::DoesNotStart, None);
        assert_eq!(at_boot(None, machine.view()), Decision::KeepIfItWorks);
    }

    #[test]
    fn a_box_without_an_update_stays_where_it_is_however_often_it_is_restarted() {
        let mut machine = Machine::new(Slot::B, Quality::Good, None);
        for _ in 0..10 {
            assert!(machine.start() && machine.confirm().is_ok());
            assert_eq!(machine.running, Slot::B);
        }
    }
}
