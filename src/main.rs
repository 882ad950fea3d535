//! The command line: what to run, exit codes, logs.
//!
//! Results go to stdout, logs to stderr (or to journald under systemd). Exit codes follow
//! sysexits.h: 0 fine, 64 usage, 70 internal, 74 I/O, 78 configuration.

mod bench;
mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use commands::Failure;

/// Segments the liver and liver tumours in CT series pushed to it and returns DICOM SEG.
///
/// Results are made by software, are not verified by a physician and are not for diagnosis.
#[derive(Debug, Parser)]
#[command(name = "hepar", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the appliance until it is told to stop.
    Serve(commands::serve::Serve),
    /// Push a synthetic CT through the whole appliance on this machine and compare the SEG with the truth.
    Demo(commands::demo::Demo),
    /// Segment a CT series from a directory of DICOM files.
    Segment(commands::segment::Segment),
    /// Score segmentations, or a model bundle, against a truth.
    Evaluate(commands::evaluate::Evaluate),
    /// Write a synthetic CT series with a known liver and tumours.
    Phantom(Box<commands::phantom::Phantom>),
    /// Measure whole flows on this machine, beside other receivers and the limits.
    Bench(commands::bench::Bench),
    /// Ask a destination whether it answers and what it takes.
    Echo(commands::echo::Echo),
    /// Try the whole pipeline on a synthetic patient whose liver is known.
    SelfTest(commands::self_test::SelfTestCommand),
    /// Check a configuration file and print every value in force.
    CheckConfig(commands::check_config::CheckConfig),
    /// Make what the page needs and what is not there: configuration, certificate, administrator.
    Provision(commands::provision::Provision),
    /// Add, list and remove the users of the page, and set their passwords.
    User(commands::user::User),
    /// Check a model bundle: manifest, hashes, tensors, golden output.
    CheckModel(commands::check_model::CheckModel),
    /// Install a model bundle, choose which one runs, go back to the one before.
    Model(commands::model::Model),
    /// Exchange the whole system, and go back by itself if the new one is worse.
    Update(commands::update::Update),
    /// Print the DICOM conformance statement.
    Conformance,
    /// Write the manual pages.
    #[command(hide = true)]
    Man(commands::man::Man),
    /// Print the completions of a shell.
    #[command(hide = true)]
    Completions(commands::completions::Completions),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let help = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return if help {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(Failure::USAGE)
            };
        }
    };
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::Segment(segment) => segment.run(),
        Command::Evaluate(evaluate) => evaluate.run(),
        Command::Phantom(phantom) => phantom.run(),
        Command::Bench(bench) => bench.run(),
        Command::Echo(echo) => echo.run(),
        Command::SelfTest(test) => test.run(),
        Command::CheckConfig(check) => check.run(),
        Command::Provision(provision) => provision.run(),
        Command::User(user) => user.run(),
        Command::CheckModel(check) => check.run(),
        Command::Model(model) => model.run(),
        Command::Update(update) => update.run(),
        Command::Conformance => commands::conformance::run(),
        Command::Man(man) => man.run(Cli::command()),
        Command::Completions(completions) => completions.run(Cli::command()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
