use std::{
    io::{self, BufRead, IsTerminal},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use hepar::status::access::{
    Role,
    password::{HashedPassword, Password, one_time_password},
    users::{self, UserName, Users, UsersError},
};

use super::{Failure, configuration};

/// Who may use the page. A change is in force at once, without a restart.
#[derive(Args, Debug)]
pub struct User {
    #[command(subcommand)]
    action: Action,
    /// The configuration file, which says where the users are.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user. The password is asked for, or read from standard input.
    Add {
        name: UserName,
        /// viewer, technician or administrator.
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        password: Choice,
    },
    /// Print the users and their roles.
    List,
    /// Remove a user, whose sessions end.
    Remove { name: UserName },
    /// Replace a password, for instance a forgotten one. The user's sessions end.
    SetPassword {
        name: UserName,
        #[command(flatten)]
        password: Choice,
    },
}

#[derive(Args, Debug)]
struct Choice {
    /// Make a password, print it, and have it replaced at the next login.
    #[arg(long)]
    one_time: bool,
}

impl User {
    pub fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        let (path, state_dir) = (config.users_file(), config.state_dir());
        match self.action {
            Action::Add {
                name,
                role,
                password,
            } => {
                let (password, must_change) = password.take()?;
                let user = users::User {
                    password: HashedPassword::of(&password, name.as_str())
                        .map_err(UsersError::from)?,
                    name,
                    role,
                    must_change,
                };
                Users::change(&path, &state_dir, |users| users.add(user))?;
                show(&password, must_change);
            }
            Action::List => {
                for user in Users::read(&path)?.iter() {
                    let note = if user.must_change {
                        "  (one-time password)"
                    } else {
                        ""
                    };
                    println!("{:<32}  {}{note}", user.name, user.role);
                }
            }
            Action::Remove { name } => {
                Users::change(&path, &state_dir, |users| users.remove(&name))?;
            }
            Action::SetPassword { name, password } => {
                let (password, must_change) = password.take()?;
                let hash = HashedPassword::of(&password, name.as_str());
                let hash = hash.map_err(UsersError::from)?;
                Users::change(&path, &state_dir, |users| {
                    users.set_password(&name, hash, must_change)
                })?;
                show(&password, must_change);
            }
        }
        Ok(())
    }
}

impl Choice {
    /// The password, and whether it must be replaced at the next login. Never from the command line,
    /// which every account of the machine can read.
    fn take(&self) -> Result<(Password, bool), Failure> {
        if self.one_time {
            return Ok((one_time_password(), true));
        }
        let typed = if io::stdin().is_terminal() {
            ask_twice()
        } else {
            line()
        };
        let password = typed.map_err(|error| Failure::new(Failure::USAGE, error))?;
        Ok((password, false))
    }
}

fn show(password: &Password, one_time: bool) {
    if one_time {
        println!("one-time password  {}", password.as_str());
    }
}

fn line() -> anyhow::Result<Password> {
    let mut line = Password::new(String::with_capacity(1024));
    let read = io::stdin().lock().read_line(&mut line);
    if read.context("cannot read a password")? == 0 {
        bail!("no password on standard input");
    }
    Ok(Password::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

fn ask_twice() -> anyhow::Result<Password> {
    let _silence = Silence::begin()?;
    let ask = |words| {
        eprint!("{words}: ");
        let typed = line();
        eprintln!();
        typed
    };
    let password = ask("Password")?;
    if ask("Again")? != password {
        bail!("the two differ");
    }
    Ok(password)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence;

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        stty("-echo").context("cannot hide what is typed; pass the password on standard input")?;
        Ok(Self)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // The terminal is gone, then.
        let _ = stty("echo");
    }
}

fn stty(setting: &str) -> anyhow::Result<()> {
    let mut stty = Command::new("stty");
    let status = stty.arg(setting).stdin(Stdio::inherit()).status()?;
    if !status.success() {
        bail!("stty failed");
    }
    Ok(())
}

impl From<UsersError> for Failure {
    fn from(error: UsersError) -> Self {
        let code = match error {
            UsersError::Read { .. } | UsersError::Write { .. } => Self::IO,
            UsersError::ReadableByOthers { .. } | UsersError::Parse { .. } => Self::CONFIG,
            _ => Self::USAGE,
        };
        Self::new(code, error)
    }
}
