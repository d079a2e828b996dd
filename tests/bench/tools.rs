//! The programs that a run needs: ours in the folder of the build, the others wherever the machine has them.

use crate::error::Error;
use crate::peers::Kind;
use std::path::PathBuf;

/// Where each program is; those that may be missing are none.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The folder of our own release build.
    pub(crate) bin: PathBuf,
    pub(crate) wrk: PathBuf,
    pub(crate) oha: Option<PathBuf>,
    envoy: Option<PathBuf>,
    nginx: PathBuf,
}

impl Tools {
    /// Looks for all of them. Without wrk and nginx there is nothing to compare.
    pub(crate) fn find(bin: PathBuf, envoy: Option<PathBuf>, oha: Option<PathBuf>) -> Result<Self, Error> {
        let needed = |program: &'static str| in_path(program).ok_or(Error::NotInstalled { program });
        Ok(Self { bin, wrk: needed("wrk")?, nginx: needed("nginx")?, envoy, oha })
    }

    /// The program of a peer, if it is here.
    pub(crate) fn program(&self, kind: Kind) -> Option<PathBuf> {
        match kind {
            Kind::Pagefleet => Some(self.ours("pagefleet-proxy")),
            Kind::Nginx => Some(self.nginx.clone()),
            Kind::Haproxy => in_path("haproxy"),
            Kind::Varnish => in_path("varnishd"),
            Kind::Envoy => self.envoy.clone(),
        }
    }

    /// One of our own programs.
    pub(crate) fn ours(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers are where only root's PATH looks.
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_in_the_path() {
        assert!(in_path("sh").is_some());
        assert!(in_path("no-such-program").is_none());
    }
}
