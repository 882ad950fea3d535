//! Installing a model, choosing one, going back.
//!
//! Every bundle is checked here before it is chosen: who signed it, its hashes, and its golden slice
//! on the CPU engine, which every box has. The running service checks it once more on its own engine
//! and takes it up within seconds; series in work finish on the model they began with.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use hepar::{
    appliance::load_bundle,
    config::Config,
    engine::{EngineChoice, EngineOptions, Workers},
    model::{
        Bundle, Contents, TrustedKey,
        store::{BundleId, Choice, Editor, Store, StoreError, id_of},
    },
};

use super::{Failure, OrFail, configuration};

#[derive(Args, Debug)]
pub struct Model {
    #[command(subcommand)]
    action: Action,
    /// The configuration of the service: where its state is and whose bundles it trusts.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a bundle, keep it, and run it from now on.
    Install {
        /// A package (.tar), or a directory that holds a bundle.
        bundle: PathBuf,
        /// Take an earlier version than the one in use.
        #[arg(long)]
        downgrade: bool,
    },
    /// Show what is installed and what runs.
    List,
    /// Run an installed bundle from now on.
    Use {
        /// NAME@VERSION as `list` shows it; `default` is the configured or built-in one.
        bundle: Choice,
    },
    /// Go back to what ran before.
    Rollback,
}

impl Model {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        match self.action {
            Action::Install { bundle, downgrade } => install(&config, bundle, downgrade),
            Action::List => list(&config),
            Action::Use { bundle } => choose(&config, &bundle),
            Action::Rollback => roll_back(&config),
        }
    }
}

fn install(config: &Config, path: PathBuf, downgrade: bool) -> Result<(), Failure> {
    let editor = Editor::open(&config.state_dir())?;
    let trust = config.model.trust();
    let named = || format!("{}", path.display());
    let contents = Contents::read(&path, &trust).or_fail(Failure::CONFIG, named())?;
    let id = id_of(&contents).or_fail(Failure::CONFIG, named())?;
    let selection = editor.store().selection()?;
    if let Some(current) = in_use(config, &selection.current())
        && id.is_older_than(&current)
        && !downgrade
    {
        let message = format!(
            "{id} is older than {current}, which is in use; `hepar model rollback` goes back to what \
             ran before, --downgrade installs it all the same"
        );
        return Err(Failure::new(Failure::USAGE, anyhow::anyhow!(message)));
    }
    let (id, bundle) = editor.keep(contents, &trust)?;
    if let Err(failure) = golden_check(&id.to_string(), &bundle) {
        editor.discard(&id)?;
        return Err(failure);
    }
    editor.select(&selection.with(Choice::Installed(id.clone())))?;
    editor.tidy()?;
    println!(
        "{id} installed, {}, digest {}",
        bundle.origin, bundle.digest
    );
    Ok(())
}

fn list(config: &Config) -> Result<(), Failure> {
    let store = Store::of(&config.state_dir());
    let current = store.selection()?.current();
    let installed = store.installed()?.into_iter().map(Choice::Installed);
    for choice in installed.chain([Choice::Default]) {
        let mark = if choice == current { "*" } else { " " };
        match load(config, &store, &choice) {
            Ok(bundle) => println!(
                "{mark} {choice}  {} {}, {}, digest {}",
                bundle.manifest.name, bundle.manifest.version, bundle.origin, bundle.digest
            ),
            Err(failure) => println!("{mark} {choice}  not usable: {failure}"),
        }
    }
    Ok(())
}

fn choose(config: &Config, choice: &Choice) -> Result<(), Failure> {
    let editor = Editor::open(&config.state_dir())?;
    let bundle = load(config, editor.store(), choice)?;
    golden_check(&choice.to_string(), &bundle)?;
    let selection = editor.store().selection()?;
    editor.select(&selection.with(choice.clone()))?;
    println!("{choice} runs from now on, digest {}", bundle.digest);
    Ok(())
}

fn roll_back(config: &Config) -> Result<(), Failure> {
    let editor = Editor::open(&config.state_dir())?;
    let selection = editor.store().selection()?;
    let Some(back) = selection.rolled_back() else {
        let message = "the default runs, and nothing ran before it";
        return Err(Failure::new(Failure::USAGE, anyhow::anyhow!(message)));
    };
    let choice = back.current();
    let bundle = load(config, editor.store(), &choice)?;
    golden_check(&choice.to_string(), &bundle)?;
    editor.select(&back)?;
    println!(
        "back from {} to {choice}, digest {}",
        selection.current(),
        bundle.digest
    );
    Ok(())
}

fn load(config: &Config, store: &Store, choice: &Choice) -> Result<Bundle, Failure> {
    let bundle = match choice {
        Choice::Installed(id) => store.load(id, &config.model.trust()),
        Choice::Default => load_bundle(config),
    };
    bundle.or_fail(Failure::CONFIG, format!("cannot use {choice}"))
}

/// What the bundle in use calls itself, where that can be compared.
fn in_use(config: &Config, current: &Choice) -> Option<BundleId> {
    match current {
        Choice::Installed(id) => Some(id.clone()),
        Choice::Default => BundleId::of_bundle(&load_bundle(config).ok()?).ok(),
    }
}

fn golden_check(name: &str, bundle: &Bundle) -> Result<(), Failure> {
    let options = EngineOptions {
        choice: EngineChoice::Tract,
        workers: 1,
        ..EngineOptions::default()
    };
    let checked = Workers::start(bundle, &options);
    checked.or_fail(Failure::CONFIG, format!("{name} does not pass its check"))?;
    Ok(())
}

/// For the command line.
pub(super) fn trusted_key(text: &str) -> Result<TrustedKey, String> {
    TrustedKey::try_from(text.to_owned()).map_err(|error| error.to_string())
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Disk { .. } => Self::IO,
            StoreError::OtherUser { .. } => Self::USAGE,
            StoreError::Selection { .. }
            | StoreError::Bundle(_)
            | StoreError::Id(_)
            | StoreError::Different(_) => Self::CONFIG,
        };
        Self::new(code, error)
    }
}
