//! Where the listening sockets come from: inherited from whoever started the proxy (systemd's protocol, sd_listen_fds(3)),
//! so that a new proxy takes over without a connection refused; else bound here.

use listenfd::ListenFd;
use std::net::{SocketAddr, TcpListener};

/// The proxy's listening sockets.
#[derive(Debug)]
pub struct Sockets {
    /// For visitors, in the order of `listen`.
    pub visitors: Vec<TcpListener>,
    /// For the admin address.
    pub admin: TcpListener,
    /// Whether others hold them too, so that connections wait while nobody accepts.
    pub are_inherited: bool,
}

impl Sockets {
    /// Takes the inherited sockets if there are any, else binds, so that a taken address is known before anything starts.
    ///
    /// # Errors
    /// Names the address that can't be bound, or says how many sockets were expected.
    pub fn inherit_or_bind(listen: &[SocketAddr], admin: SocketAddr) -> Result<Self, String> {
        let mut inherited = ListenFd::from_env();
        let are_inherited = inherited.len() > 0;
        let mut sockets = if are_inherited {
            let expected = listen.len() + 1;
            if inherited.len() != expected {
                return Err(format!(
                    "LISTEN_FDS: {} sockets were passed, want {expected}: all of `listen`, then `admin`",
                    inherited.len()
                ));
            }
            (0..expected).map(|index| take(&mut inherited, index)).collect::<Result<Vec<_>, _>>()?
        } else {
            listen.iter().chain([&admin]).map(bind).collect::<Result<Vec<_>, _>>()?
        };
        let admin = sockets.pop().ok_or("no admin socket")?;
        Ok(Self { visitors: sockets, admin, are_inherited })
    }

    /// Where visitors reach the proxy.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        self.visitors.iter().map(TcpListener::local_addr).collect()
    }
}

fn take(inherited: &mut ListenFd, index: usize) -> Result<TcpListener, String> {
    let wrong = |reason: String| format!("LISTEN_FDS: socket {index} (fd {}): {reason}", index + 3);
    let listener = inherited.take_tcp_listener(index).map_err(|error| wrong(error.to_string()))?;
    let listener = listener.ok_or_else(|| wrong("it was taken already".to_owned()))?;
    listener.set_nonblocking(true).map_err(|error| wrong(error.to_string()))?;
    Ok(listener)
}

fn bind(address: &SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    listener.set_nonblocking(true).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = Sockets::inherit_or_bind(&[address], address).unwrap_err();
        assert!(error.contains(&address.to_string()), "{error}");
    }
}
