//! Exchanging the whole system, and going back by itself if the new one is worse.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};

use hepar::{
    appliance::{self, Interest},
    config::Config,
    update::{
        Decision, Effect, Nvbootctrl, Outcome, Plan, Rauc, RaucError, Record, RecordError,
        RecordFile, Slot, Slots, SlotsError, after_examination, at_boot, before_writing, written,
    },
};

use super::{Failure, OrFail, configuration};

#[derive(Args, Debug)]
pub struct Update {
    #[command(subcommand)]
    action: Action,
    /// The configuration of the service: where its state is and who its destinations are.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which system runs and how the last update ended.
    Status,
    /// Verify a bundle and write it to the system that does not run.
    Install {
        /// A bundle (.raucb), for example on a mounted stick.
        bundle: PathBuf,
        /// Restart into the new system at once.
        #[arg(long)]
        restart: bool,
    },
    /// Keep a new system that proves itself, or go back; run at every start.
    Confirm {
        /// For how long the new system may fail before it is given up, seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        patience: u64,
    },
    /// Answer RAUC as its boot loader.
    #[command(hide = true)]
    Backend {
        #[command(subcommand)]
        question: Question,
    },
}

/// What RAUC asks a custom boot loader backend.
#[derive(Debug, Subcommand)]
enum Question {
    GetPrimary,
    SetPrimary { slot: Slot },
    GetCurrent,
    GetState { slot: Slot },
    SetState { slot: Slot, state: String },
}

/// Between two examinations of a system on trial.
const PAUSE: Duration = Duration::from_secs(10);

impl Update {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        let mut site = Site {
            slots: Nvbootctrl::default(),
            record: RecordFile::of(&config.state_dir()),
            config,
        };
        match self.action {
            Action::Status => site.status(),
            Action::Install { bundle, restart } => site.install(&bundle, restart),
            Action::Confirm { patience } => site.confirm(Duration::from_secs(patience)),
            Action::Backend { question } => site.answer(question),
        }
    }
}

/// This box, with everything an update touches.
struct Site {
    slots: Nvbootctrl,
    record: RecordFile,
    config: Config,
}

impl Site {
    fn status(&self) -> Result<(), Failure> {
        let view = self.slots.view()?;
        println!("running      {}", view.running);
        println!("next start   {}", view.next);
        for slot in [Slot::A, Slot::B] {
            let state = if view.bootable[slot.number()] {
                "can start"
            } else {
                "given up by the firmware"
            };
            println!("slot {slot}       {state}");
        }
        let last = match self.record.read()? {
            None => "none".to_owned(),
            Some(Record::Writing { plan }) => format!("{} is being written", plan.version),
            Some(Record::Trial { plan }) if view.running == plan.to => {
                format!("{} is on trial", plan.version)
            }
            Some(Record::Trial { plan }) => format!("{} waits for a restart", plan.version),
            Some(Record::GoingBack { plan, reason }) => {
                format!("{} is being given up: {reason}", plan.version)
            }
            Some(Record::Ended { plan, outcome }) => match outcome {
                Outcome::Confirmed => format!("{} confirmed", plan.version),
                Outcome::RolledBack { reason } => format!("{} given up: {reason}", plan.version),
                Outcome::Interrupted => {
                    format!(
                        "{} was not written to its end; install it again",
                        plan.version
                    )
                }
            },
        };
        println!("last update  {last}");
        Ok(())
    }

    fn install(&mut self, bundle: &Path, restart: bool) -> Result<(), Failure> {
        let rauc = Rauc;
        let facts = rauc.verify(bundle)?;
        let view = self.slots.view()?;
        if let Some(Record::Writing { plan } | Record::Trial { plan }) = self.record.read()?
            && view.running == plan.to
        {
            let message = format!(
                "{} is still on trial; wait until `hepar update status` says it is confirmed",
                plan.version
            );
            return Err(Failure::new(Failure::USAGE, anyhow::anyhow!(message)));
        }
        let reachable = self.reachable();
        println!(
            "{} for {}, signature holds; destinations that answer now: [{}]",
            facts.version,
            facts.compatible,
            reachable.join(", ")
        );
        let plan = Plan {
            version: facts.version,
            from: view.running,
            to: view.running.other(),
            reachable,
        };
        self.carry_out(before_writing(plan.clone()))?;
        rauc.install(bundle)?;
        println!("written to slot {}", plan.to);
        self.carry_out(written(plan))?;
        if restart {
            return self.carry_out(vec![Effect::Restart]);
        }
        println!("the next start is from it, on trial");
        Ok(())
    }

    fn confirm(&mut self, patience: Duration) -> Result<(), Failure> {
        let record = self.record.read()?;
        let effects = match at_boot(record.as_ref(), self.slots.view()?) {
            Decision::Do(effects) => effects,
            Decision::KeepIfItWorks => {
                self.must_work(patience)?;
                vec![Effect::MarkGood]
            }
            Decision::Examine(plan) => {
                let examined = self.examine(&plan, patience);
                match &examined {
                    Ok(()) => println!("{} works and is kept", plan.version),
                    Err(reason) => println!("{} is given up: {reason}", plan.version),
                }
                after_examination(plan, examined)
            }
        };
        self.carry_out(effects)
    }

    /// Passes once everything that worked before works again; networks take their time to come up.
    fn examine(&self, plan: &Plan, patience: Duration) -> Result<(), String> {
        keep_trying(patience, || {
            Self::self_test().and_then(|()| self.answers(plan))
        })
    }

    /// Where the data are, they say by themselves that there was no update, and a service that a wrong
    /// configuration keeps down is no reason to leave the system. Where they are not, this may be a
    /// new system that cannot reach them: nobody vouches for that, and the firmware goes back.
    fn must_work(&self, patience: Duration) -> Result<(), Failure> {
        if self.record.is_among_data() {
            return Ok(());
        }
        keep_trying(patience, Self::is_up).map_err(|reason| {
            let message = format!("nothing says what runs here, and {reason}: it is not kept");
            Failure::new(Failure::IO, anyhow::anyhow!(message))
        })
    }

    /// The service has told systemd that it can receive and keep.
    fn is_up() -> Result<(), String> {
        systemctl("is-active", "hepar.service")
    }

    /// The service is up, and the unit that tries the pipeline on a phantom ends well. Both run as the
    /// service's user, as they will from then on.
    fn self_test() -> Result<(), String> {
        Self::is_up().and_then(|()| systemctl("restart", "hepar-selftest.service"))
    }

    fn answers(&self, plan: &Plan) -> Result<(), String> {
        let now = self.reachable();
        let silent = plan.reachable.iter().find(|name| !now.contains(name));
        silent.map_or(Ok(()), |name| {
            Err(format!(
                "{name} answered before the update and does not now"
            ))
        })
    }

    /// Destinations that answer C-ECHO.
    fn reachable(&self) -> Vec<String> {
        let answers = |known: &&hepar::config::Destination| {
            let opened = known.open(self.config.listener.ae_title.clone());
            opened.is_ok_and(|destination| appliance::ask(&destination, Interest::Objects).is_ok())
        };
        let destinations = self.config.destinations.iter().filter(answers);
        destinations.map(|known| known.name.clone()).collect()
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Failure> {
        for effect in effects {
            match effect {
                Effect::Record(record) => self.record.write(&record)?,
                Effect::BootNext(slot) => self.slots.boot_next(slot)?,
                Effect::MarkGood => self.slots.mark_good()?,
                Effect::Restart => {
                    println!("restarting");
                    let status = Command::new("systemctl").arg("reboot").status();
                    status.or_fail(Failure::IO, "cannot restart the box")?;
                }
            }
        }
        Ok(())
    }

    /// RAUC's custom boot loader interface (RAUC reference, "Custom").
    fn answer(&mut self, question: Question) -> Result<(), Failure> {
        let view = self.slots.view()?;
        match question {
            Question::GetPrimary => println!("{}", view.next),
            Question::GetCurrent => println!("{}", view.running),
            Question::SetPrimary { slot } => self.slots.boot_next(slot)?,
            Question::GetState { slot } => {
                let bootable = view.bootable[slot.number()];
                println!("{}", if bootable { "good" } else { "bad" });
            }
            // Good is for `confirm` to say, after an examination; the firmware has no word for bad,
            // but a slot that is not next is not started.
            Question::SetState { slot, state } => match &*state {
                "bad" if view.next == slot => self.slots.boot_next(slot.other())?,
                "good" | "bad" => {}
                _ => {
                    let message = format!("{state:?} is no state; there are good and bad");
                    return Err(Failure::new(Failure::USAGE, anyhow::anyhow!(message)));
                }
            },
        }
        Ok(())
    }
}

/// Tries until it succeeds; after `patience`, why it does not.
fn keep_trying(patience: Duration, attempt: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let Err(failed) = attempt() else {
            return Ok(());
        };
        if started.elapsed() + PAUSE > patience {
            return Err(failed);
        }
        println!("not yet: {failed}");
        thread::sleep(PAUSE);
    }
}

fn systemctl(verb: &str, unit: &str) -> Result<(), String> {
    let output = Command::new("systemctl").args([verb, unit]).output();
    let output = output.map_err(|error| format!("cannot run systemctl: {error}"))?;
    if !output.status.success() {
        return Err(format!("{unit} fails; its journal says why"));
    }
    Ok(())
}

impl From<SlotsError> for Failure {
    fn from(error: SlotsError) -> Self {
        Self::new(Self::IO, error)
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::new(Self::IO, error)
    }
}

impl From<RaucError> for Failure {
    fn from(error: RaucError) -> Self {
        let code = match &error {
            RaucError::Missing(_) => Self::IO,
            RaucError::Refused { .. } | RaucError::Words(_) => Self::CONFIG,
        };
        Self::new(code, error)
    }
}
