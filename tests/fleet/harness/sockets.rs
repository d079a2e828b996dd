//! Listening sockets that outlive the proxies that accept on them.

use command_fds::{CommandFdExt, FdMapping};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, RawFd};
use tokio::process::Command;

/// The number of the first, in the process that they are passed to (sd_listen_fds(3)).
const FIRST: RawFd = 3;

/// One for visitors, one for the admin address.
pub(crate) struct Sockets([TcpListener; 2]);

impl Sockets {
    pub(crate) fn bind() -> Self {
        Self([(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()))
    }

    /// Where visitors connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0[0].local_addr().unwrap()
    }

    /// Makes a command start a process that has them, as systemd does.
    pub(crate) fn pass_to(&self, command: &mut Command) {
        let mapping = |(child_fd, socket): (RawFd, &TcpListener)| FdMapping {
            parent_fd: socket.as_fd().try_clone_to_owned().unwrap(),
            child_fd,
        };
        let mappings: Vec<_> = (FIRST..).zip(&self.0).map(mapping).collect();
        command.env("LISTEN_FDS", mappings.len().to_string()).fd_mappings(mappings).unwrap();
    }
}
