//! How many requests one client may make: a token bucket for each client's address, in bounded memory.
//!
//! A bucket is one number, the moment at which it will be full again (the generic cell rate algorithm, ITU-T I.371), so a
//! request costs one look and one compare-and-swap.

use moka::sync::Cache;
use pagefleet_config::ClientLimit;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The buckets of all clients.
#[derive(Debug)]
pub struct ClientLimits {
    buckets: Cache<IpAddr, Arc<Bucket>>,
    since: Instant,
}

/// Microseconds, from the start on, after which the bucket is full.
type Bucket = AtomicU64;

impl ClientLimits {
    /// Every bucket is full. At most `clients` are remembered.
    pub fn new(clients: u64) -> Self {
        // A bucket that is full again is as good as none; this is longer than any fills that is worth remembering.
        let buckets = Cache::builder().max_capacity(clients).time_to_idle(Duration::from_secs(600)).build();
        Self { buckets, since: Instant::now() }
    }

    /// Takes a token for a request.
    ///
    /// # Errors
    /// When there is none: how long until there is one.
    pub fn take(&self, client: IpAddr, limit: &ClientLimit) -> Result<(), Duration> {
        if limit.rate == 0 {
            return Ok(());
        }
        let bucket = self.buckets.get_with(network_of(client), Arc::default);
        take_at(&bucket, u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX), limit)
    }
}

fn take_at(bucket: &Bucket, now: u64, limit: &ClientLimit) -> Result<(), Duration> {
    let token = 1_000_000 / u64::from(limit.rate).min(1_000_000);
    let room = token * u64::from(limit.burst.max(1));
    let after = |full_at: u64| Some(full_at.max(now) + token).filter(|after| *after <= now + room);
    match bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after) {
        Ok(_) => Ok(()),
        Err(full_at) => Err(Duration::from_micros((full_at + token).saturating_sub(now + room))),
    }
}

/// Who is one client: an IPv4 address, or an IPv6 network of the size that one subscriber gets (RFC 6177: a /64 at least).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: ClientLimit = ClientLimit { rate: 10, burst: 3, clients: 100 };

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let bucket = Bucket::default();
        let at = |seconds: f64| take_at(&bucket, (seconds * 1e6) as u64 + 1_000_000, &LIMIT);
        assert_eq!([at(0.0), at(0.0), at(0.0)], [Ok(()), Ok(()), Ok(())]);
        assert_eq!(at(0.0), Err(Duration::from_millis(100)));
        assert_eq!(at(0.04), Err(Duration::from_millis(60)));
        assert_eq!([at(0.1), at(0.2)], [Ok(()), Ok(())]);
        assert!(at(0.2).is_err());
        assert_eq!([at(60.0), at(60.0), at(60.0)], [Ok(()), Ok(()), Ok(())]);
        assert!(at(60.0).is_err(), "a pause fills the bucket, not more");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client_and_mapped_ones_are_ipv4() {
        let network = |address: &str| network_of(address.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        let limits = ClientLimits::new(10);
        let take =
            |address: &str| limits.take(address.parse().unwrap(), &ClientLimit { rate: 1, burst: 1, clients: 10 });
        assert!(take("2001:db8::1").is_ok());
        assert!(take("2001:db8::2").is_err());
        assert!(take("2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn many_more_addresses_than_are_remembered_take_bounded_memory() {
        let limits = ClientLimits::new(1_000);
        for address in 0..50_000_u32 {
            limits.take(IpAddr::from(address.to_be_bytes()), &LIMIT).ok();
        }
        limits.buckets.run_pending_tasks();
        assert!(limits.buckets.entry_count() <= 1_000);
    }
}
