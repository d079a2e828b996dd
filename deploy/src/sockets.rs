//! The proxy's listening sockets. They belong to the supervisor, which passes them to each proxy that it starts, the way
//! systemd does (sd_listen_fds(3)): a connection that comes while no proxy accepts waits in the listen queue.

use crate::address;
use crate::error::Error;
use command_fds::{CommandFdExt, FdMapping};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, RawFd};
use std::sync::Arc;
use tokio::process::Command;

/// The number of the first, in the process that they are passed to.
const FIRST: RawFd = 3;
/// How many connections may wait while a proxy that crashed is started again.
const QUEUE: i32 = 4096;
/// What says how many there are, whose they are and what they are called. Who started us may have set it for us.
const VARIABLES: [&str; 3] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// Sockets to pass on, in the order of `proxy.toml`; none for what is not the proxy. They are open as long as a clone is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sockets(Arc<[TcpListener]>);

impl Sockets {
    /// Binds each address; port 0 becomes a free one. The error names the setting.
    pub(crate) fn bind(wanted: &[(SocketAddr, &'static str)]) -> Result<Self, Error> {
        let bound = address::bind(wanted)?;
        for socket in &bound {
            rustix::net::listen(socket, QUEUE).map_err(io::Error::from)?;
        }
        Ok(Self(bound.into()))
    }

    /// Where they listen.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        address::addresses_of(&self.0)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes `command` start a process that has them, and no others.
    pub(crate) fn pass_to(&self, command: &mut Command) -> io::Result<()> {
        for name in VARIABLES {
            command.env_remove(name);
        }
        if self.is_empty() {
            return Ok(());
        }
        let mut mappings = Vec::new();
        for (child_fd, socket) in (FIRST..).zip(self.0.iter()) {
            mappings.push(FdMapping { parent_fd: socket.as_fd().try_clone_to_owned()?, child_fd });
        }
        command.env(VARIABLES[0], mappings.len().to_string());
        command.fd_mappings(mappings).expect("each has a number of its own");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: (SocketAddr, &str) =
        (SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0), "--listen");

    /// What a child says of its descriptors from 3 on.
    async fn seen_by_a_child(sockets: &Sockets) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", "echo fds=$LISTEN_FDS; for fd in 3 4; do readlink /proc/$$/fd/$fd; done; true"]);
        sockets.pass_to(&mut command).unwrap();
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    }

    #[tokio::test]
    async fn the_proxy_gets_the_sockets_as_systemd_passes_them_and_no_other_child_does() {
        let sockets = Sockets::bind(&[ANY, ANY]).unwrap();
        let seen = seen_by_a_child(&sockets).await;
        assert!(seen.starts_with("fds=2\n"), "{seen}");
        assert_eq!(seen.matches("socket:").count(), 2, "{seen}");
        let seen = seen_by_a_child(&Sockets::default()).await;
        assert!(seen.starts_with("fds=\n") && !seen.contains("socket:"), "{seen}");
    }

    #[tokio::test]
    async fn a_connection_waits_while_nobody_accepts() {
        let sockets = Sockets::bind(&[ANY]).unwrap();
        let address = sockets.addresses().unwrap()[0];
        tokio::net::TcpStream::connect(address).await.unwrap();
        drop(sockets);
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}
