//! Which addresses can be had: those that were asked for are bound before anything is built, those of the children are
//! picked before anything is started, so that each child can be told all others'.

use crate::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// Below the range that systems give to outgoing connections (from 32,768 on Linux): a child that is started again must
/// not find its port in use by somebody's connection.
const PORTS: std::ops::Range<u16> = 20_000..32_768;
const TRIES: usize = 200;

/// Binds what was asked for. Port 0 becomes a free one.
pub(crate) fn bind(wanted: &[(SocketAddr, &'static str)]) -> Result<Vec<TcpListener>, Error> {
    let mut held = Vec::new();
    for (address, setting) in wanted {
        let bound = if address.port() == 0 { pick_one(address.ip()) } else { TcpListener::bind(address) };
        held.push(bound.map_err(|source| Error::CannotListen { address: *address, setting, source })?);
    }
    Ok(held)
}

/// Tries to bind what was asked for. Port 0 becomes a free one.
pub(crate) fn try_out(wanted: &[(SocketAddr, &'static str)]) -> Result<Vec<SocketAddr>, Error> {
    addresses_of(&bind(wanted)?).map_err(Error::System)
}

/// Picks free loopback addresses, no two alike and none with a port that is spoken for.
pub(crate) fn pick(count: usize, spoken_for: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    // Each is held until all are picked, so that the next one is another.
    let held = (0..count + spoken_for.len()).map(|_| pick_one(loopback)).collect::<io::Result<Vec<_>>>()?;
    let is_free = |address: &SocketAddr| spoken_for.iter().all(|other| other.port() != address.port());
    Ok(addresses_of(&held)?.into_iter().filter(is_free).take(count).collect())
}

/// Whether somebody listens there.
pub(crate) fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Where a program on this machine reaches what listens on `listen`.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn pick_one(ip: IpAddr) -> io::Result<TcpListener> {
    (0..TRIES)
        .find_map(|_| TcpListener::bind((ip, rand::random_range(PORTS))).ok())
        .map_or_else(|| TcpListener::bind((ip, 0)), Ok)
}

/// Where they listen.
pub(crate) fn addresses_of(held: &[TcpListener]) -> io::Result<Vec<SocketAddr>> {
    held.iter().map(TcpListener::local_addr).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_refused_with_the_setting_that_asked_for_it() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        assert!(is_taken(address));
        let error = try_out(&[(address, "--admin, PAGEFLEET_ADMIN")]).unwrap_err().to_string();
        assert!(error.ends_with("address already in use (--admin, PAGEFLEET_ADMIN)"), "{error}");
    }

    #[test]
    fn one_address_cannot_be_had_twice() {
        let free = pick(1, &[]).unwrap()[0];
        assert!(try_out(&[(free, "--listen"), (free, "--admin")]).is_err());
    }

    #[test]
    fn a_port_that_is_spoken_for_is_not_picked() {
        let spoken_for: Vec<SocketAddr> = PORTS.step_by(2).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let picked = pick(5, &spoken_for[..200]).unwrap();
        assert_eq!(picked.len(), 5);
        assert!(picked.iter().all(|address| !spoken_for[..200].contains(address)));
    }

    #[test]
    fn port_0_becomes_a_free_port_and_picked_addresses_differ() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_ne!(try_out(&[(any, "--listen")]).unwrap()[0].port(), 0);
        let mut picked = pick(40, &[]).unwrap();
        picked.sort();
        picked.dedup();
        assert_eq!(picked.len(), 40);
    }

    #[test]
    fn a_fleet_on_every_address_is_reached_on_loopback() {
        for (listen, reached) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("192.0.2.7:80", "192.0.2.7:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
