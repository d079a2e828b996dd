//! `pagefleet-proxy vault ls|rm`: what the vault's folder holds, by hand.

use crate::vault::disk::Disk;
use clap::Subcommand;
use pagefleet_config::{ProxyFile, VaultPlace};
use std::time::SystemTime;

/// What to do with the vault's folder.
#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// List path, SHA-256, bytes, days since it was last live, and who brought it.
    Ls,
    /// Remove assets by path. A running proxy keeps what it has in memory, and fetches what a live release needs again.
    Rm {
        /// Fingerprinted paths, such as `/assets/site-5d1f0c3a9b7e2468.css`.
        #[arg(required = true)]
        paths: Vec<String>,
    },
}

/// Runs the command on the vault that `config` names.
///
/// # Errors
/// When the vault is off, its folder can't be read, or a path is not in it.
pub fn run(command: &VaultCommand, config: &ProxyFile) -> Result<(), Box<dyn std::error::Error>> {
    let VaultPlace::Folder(folder) = &config.vault else {
        return Err("`vault` is \"off\" in the configuration".into());
    };
    let disk = Disk::at(folder);
    let mut entries = disk.entries().map_err(|error| format!("{}: {error}", folder.display()))?.good;
    entries.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    match command {
        VaultCommand::Ls => {
            for (entry, live) in &entries {
                let days = SystemTime::now().duration_since(*live).unwrap_or_default().as_secs() / 86_400;
                println!("{} {} {} {days}d {} {}", entry.path, entry.sha256, entry.size, entry.page, entry.release);
            }
        }
        VaultCommand::Rm { paths } => {
            let missing = paths.iter().find(|path| !entries.iter().any(|(entry, _)| entry.path == **path));
            if let Some(missing) = missing {
                return Err(format!("{missing} is not in the vault").into());
            }
            for path in paths {
                let Some(at) = entries.iter().position(|(entry, _)| entry.path == *path) else { continue };
                let (entry, _) = entries.remove(at);
                let last = !entries.iter().any(|(other, _)| other.sha256 == entry.sha256);
                disk.remove(&entry, last)?;
            }
        }
    }
    Ok(())
}
