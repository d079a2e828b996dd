//! A real DNS server, whose records a test changes.

use super::{Process, send, wait_until};
use rustix::process::Signal;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// A running dnsmasq that knows the names of its own file and no others.
pub(crate) struct NameServer {
    process: Process,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl NameServer {
    /// With one name and its addresses, each to be forgotten after a second.
    pub(crate) async fn start(name: &str, addresses: &[&str]) -> Self {
        loop {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("hosts"), records(name, addresses)).unwrap();
            let address = free_address();
            let mut server = Self { process: Process::start(&mut command(address, &folder, true)), address, folder };
            // Somebody else may have taken the port meanwhile.
            if server.answers().await {
                return server;
            }
        }
    }

    /// Gives the name other addresses; with none, there is no such name.
    pub(crate) fn change(&self, name: &str, addresses: &[&str]) {
        let unfinished = self.folder.path().join("hosts.new");
        std::fs::write(&unfinished, records(name, addresses)).unwrap();
        std::fs::rename(unfinished, self.folder.path().join("hosts")).unwrap();
        send(self.process.pid(), Signal::HUP);
    }

    pub(crate) async fn stop(&mut self) {
        self.process.kill().await;
    }

    /// Another at the same address, which refuses to say anything about names that it has no record of.
    pub(crate) async fn start_again(&mut self) {
        self.process = Process::start(&mut command(self.address, &self.folder, false));
        assert!(self.answers().await);
    }

    /// Asks for the root's name servers (RFC 1035 section 4.1), until there is any answer, or the process has ended.
    async fn answers(&mut self) -> bool {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (address, process) = (self.address, &mut self.process);
        wait_until("the name server answers", async || {
            let question = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
            // Refused as long as nobody listens there.
            let _ = socket.send_to(&question, address);
            let answered = socket.recv_from(&mut [0; 512]).is_ok();
            (answered || process.has_ended()).then_some(answered)
        })
        .await
    }
}

/// At a port that nobody has, neither for datagrams nor for connections.
fn free_address() -> SocketAddr {
    loop {
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        if TcpListener::bind(datagrams).is_ok() {
            return datagrams;
        }
    }
}

fn records(name: &str, addresses: &[&str]) -> String {
    addresses.iter().map(|address| format!("{address} {name}\n")).collect()
}

fn command(address: SocketAddr, folder: &TempDir, knows_all_names: bool) -> Command {
    let mut command = Command::new(program());
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]);
    command.args(["--bind-interfaces", "--no-daemon", "--local-ttl=1", "--log-facility=/dev/null", "--user="]);
    command.arg(format!("--listen-address={}", address.ip())).arg(format!("--port={}", address.port()));
    command.arg(format!("--addn-hosts={}", folder.path().join("hosts").display()));
    if knows_all_names {
        command.arg("--local=/shop/");
    }
    command.stderr(Stdio::null());
    command
}

/// In a folder that is in root's PATH only, on Debian.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join("dnsmasq")).find(|program| program.exists());
    found.expect("dnsmasq is there: `cargo fleet test` installs it")
}
