//! What the machine needs beside Rust: found in `PATH`, installed where that is ours to do (root, with apt-get), else
//! named in one line with the way to get it.

use crate::error::Error;
use crate::progress;
use crate::signals::Signals;
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// A tool, by the commands that any one of suffices.
#[derive(Debug)]
pub(crate) struct Tool {
    commands: &'static [&'static str],
    debian: &'static [&'static str],
    fedora: &'static str,
    macos: &'static str,
}

const XCODE: &str = "xcode-select --install";

const COMPILER: Tool = Tool { commands: &["cc", "gcc"], debian: &["gcc", "libc6-dev"], fedora: "gcc", macos: XCODE };
const MAKE: Tool = Tool { commands: &["make", "ninja"], debian: &["make"], fedora: "make", macos: XCODE };
const CMAKE: Tool = Tool { commands: &["cmake"], debian: &["cmake"], fedora: "cmake", macos: "brew install cmake" };
const BROWSER: Tool = Tool {
    commands: &["chromium", "chromium-browser", "google-chrome"],
    debian: &["chromium"],
    fedora: "chromium",
    macos: "brew install --cask google-chrome",
};
const DRIVER: Tool = Tool {
    commands: &["chromedriver"],
    debian: &["chromium-driver"],
    fedora: "chromedriver",
    macos: "brew install --cask chromedriver",
};

const NGINX: Tool =
    Tool { commands: &["nginx"], debian: &["nginx-light"], fedora: "nginx", macos: "brew install nginx" };
const VARNISH: Tool =
    Tool { commands: &["varnishd"], debian: &["varnish"], fedora: "varnish", macos: "brew install varnish" };
const HAPROXY: Tool =
    Tool { commands: &["haproxy"], debian: &["haproxy"], fedora: "haproxy", macos: "brew install haproxy" };
const WRK: Tool = Tool { commands: &["wrk"], debian: &["wrk"], fedora: "wrk", macos: "brew install wrk" };
const DNS: Tool =
    Tool { commands: &["dnsmasq"], debian: &["dnsmasq-base"], fedora: "dnsmasq", macos: "brew install dnsmasq" };

// Its servers are in no PATH; this is what finds them.
const POSTGRES: Tool = Tool {
    commands: &["pg_ctlcluster", "initdb"],
    debian: &["postgresql"],
    fedora: "postgresql-server",
    macos: "brew install postgresql",
};

/// To build one page.
pub(crate) const FOR_A_PAGE: &[Tool] = &[COMPILER];
/// To build everything: the proxy's and SQLite's C code.
pub(crate) const FOR_THE_FLEET: &[Tool] = &[COMPILER, CMAKE, MAKE];
/// To run the tests: a browser that can be driven, caches to stand in front, a DNS server whose records change, and the
/// outbox's other database.
pub(crate) const FOR_THE_TESTS: &[Tool] = &[COMPILER, CMAKE, MAKE, BROWSER, DRIVER, NGINX, VARNISH, DNS, POSTGRES];
/// To measure: the peers, and who asks them.
pub(crate) const FOR_THE_BENCH: &[Tool] = &[COMPILER, CMAKE, MAKE, NGINX, HAPROXY, VARNISH, WRK];

/// Sees to it that the tools are there. Not to be dropped: an installation goes on until it is done, and a signal counts
/// after it.
pub(crate) async fn check(tools: &[Tool], signals: &mut Signals) -> Result<(), Error> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !is_command("apt-get") {
        return Err(missing_error(&missing));
    }
    install(&missing, signals).await?;
    let still = self::missing(tools);
    if still.is_empty() { Ok(()) } else { Err(missing_error(&still)) }
}

fn missing(tools: &[Tool]) -> Vec<&Tool> {
    tools.iter().filter(|tool| !tool.commands.iter().any(|command| is_command(command))).collect()
}

async fn install(missing: &[&Tool], signals: &mut Signals) -> Result<(), Error> {
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.debian.iter().copied()).collect();
    progress::step("installing", format_args!("{} (apt-get)", packages.join(", ")));
    let update: &[&str] = &["update"];
    let install = [&["install", "-y", "--no-install-recommends"], packages.as_slice()].concat();
    for arguments in [update, &install] {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let done = uninterrupted(&mut apt, signals.next()).await?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr).trim().replace('\n', "; ");
            return Err(Error::InstallFailed { packages: packages.join(", "), reason: said });
        }
    }
    Ok(())
}

/// Runs a command to its end, in a group of its own that a Ctrl-C at the terminal does not reach: a package that is half
/// installed is in the way of all others.
async fn uninterrupted(command: &mut Command, signal: impl Future<Output = ()>) -> Result<Output, Error> {
    let mut output = pin!(command.stdin(Stdio::null()).process_group(0).output());
    tokio::select! {
        biased;
        done = &mut output => Ok(done?),
        () = signal => {
            progress::step("stopping", "when the installation is done");
            output.await?;
            Err(Error::Interrupted)
        }
    }
}

fn missing_error(missing: &[&Tool]) -> Error {
    let named = |name: fn(&Tool) -> String| {
        let mut names: Vec<String> = Vec::new();
        for name in missing.iter().map(|tool| name(tool)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    let debian = named(|tool| tool.debian.join(" ")).join(" ");
    let fedora = named(|tool| tool.fedora.to_owned()).join(" ");
    let macos = named(|tool| tool.macos.to_owned()).join("; ");
    Error::MissingTools {
        missing: named(|tool| tool.commands[0].to_owned()).join(", "),
        hint: format!("`apt-get install {debian}` (Debian), `dnf install {fedora}` (Fedora), `{macos}` (macOS)"),
    }
}

/// Whether `PATH` has a program of that name.
pub(crate) fn is_command(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Servers are where only root's PATH looks.
    env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| is_executable(&folder.join(name)))
}

/// Whether it is a file that somebody may run.
pub(crate) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_there_when_any_of_its_commands_is() {
        let shell = Tool { commands: &["no-such-shell", "sh"], debian: &[], fedora: "", macos: "" };
        let nothing = Tool { commands: &["no-such-tool"], debian: &[], fedora: "", macos: "" };
        let tools = [shell, nothing];
        let missing = missing(&tools);
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].commands, ["no-such-tool"]);
    }

    #[tokio::test]
    async fn an_installation_is_not_cut_short_by_a_signal() {
        let folder = tempfile::tempdir().unwrap();
        let done = folder.path().join("done");
        let mut command = Command::new("sh");
        // Field 5 of the stat file is the process group: a Ctrl-C goes to the terminal's, which is ours.
        command.args([
            "-c",
            r#"sleep 0.2; cut -d' ' -f5 /proc/$$/stat > "$1.part"; echo $$ >> "$1.part"; mv "$1.part" "$1""#,
        ]);
        let outcome = uninterrupted(command.arg("sh").arg(&done), std::future::ready(())).await;
        assert!(matches!(outcome, Err(Error::Interrupted)));
        let written = std::fs::read_to_string(done).unwrap();
        let (group, pid) = written.trim_end().split_once('\n').unwrap();
        assert_eq!(group, pid);
    }

    #[test]
    fn what_is_missing_is_told_in_one_line_with_the_way_to_get_it() {
        let text = missing_error(&[&COMPILER, &MAKE]).to_string();
        assert_eq!(
            text,
            "missing: cc, make. To install: `apt-get install gcc libc6-dev make` (Debian), \
             `dnf install gcc make` (Fedora), `xcode-select --install` (macOS)"
        );
    }
}
