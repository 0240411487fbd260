//! What a package brings along beside the program: manual pages and completions, made from the command line itself.

use std::{fs, io, path::PathBuf};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::commands::{Cli, Failed};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Manual {
    /// Where to write sluice.1 and a page for each command.
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Completions {
    /// The shell that is to complete.
    shell: Shell,
}

pub(in crate::commands) fn manual(Manual { to }: &Manual) -> Result<(), Failed> {
    fs::create_dir_all(to)?;
    clap_mangen::generate_to(command(), to)?;
    Ok(())
}

pub(in crate::commands) fn completions(Completions { shell }: &Completions) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut command(), "sluice", &mut script);
    match io::Write::write_all(&mut io::stdout(), &script) {
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn command() -> Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_command_has_a_manual_page() {
        let dir = tempfile::tempdir().unwrap();
        manual(&Manual { to: dir.path().to_owned() }).unwrap();
        let page = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(page("sluice.1").contains("waiting room"));
        for command in command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = page(&format!("sluice-{}.1", command.get_name()));
            assert!(page.contains(".TH"), "{page}");
        }
        assert!(page("sluice-restore.1").contains("dry\\-run"), "options stand in it");
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "sluice", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("cutover") && script.contains("config"), "{shell}");
        }
    }
}
