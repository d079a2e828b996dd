//! Idle connections. One that has brought nothing for a while is no task with buffers and timers any more, but a socket in
//! one list, and comes back when it has bytes or has ended: most connections are idle most of the time.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, interval};

/// After how long a connection is parked, at most. To come back costs a few microseconds; a page's own requests come sooner.
pub const AFTER: Duration = Duration::from_millis(50);

/// So many connections of a thread may wait for that: more at a time would take memory that is hard to give back.
const UNPARKED: usize = 256;

/// How many come back at a time.
const AT_ONCE: usize = 64;

/// After how long a connection is parked that has brought so many requests, while so many of its thread are not parked. Of
/// many that came at once and asked for one thing most are idle from then on; who has asked twice may ask again.
pub const fn after(requests: u32, unparked: usize) -> Duration {
    if requests == 1 && unparked > UNPARKED { Duration::ZERO } else { AFTER }
}

/// A connection that is parked. Dropping it closes it, and frees its place under the connection limit.
#[derive(Debug)]
pub struct Parked {
    /// Its socket.
    pub tcp: TcpStream,
    /// The address of its other end.
    pub peer: SocketAddr,
    /// Its place.
    pub permit: Arc<OwnedSemaphorePermit>,
    /// When it is closed, if nothing comes.
    pub until: Instant,
    /// How many requests it has brought.
    pub requests: u32,
}

/// The parked connections of one listener and thread.
#[derive(Debug)]
pub struct Parking {
    epoll: AsyncFd<OwnedFd>,
    parked: HashMap<RawFd, Parked>,
    ready: Vec<RawFd>,
    tidies: Interval,
}

impl Parking {
    /// Nothing is parked.
    ///
    /// # Errors
    /// When the system has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "its successor is unsafe, for types that give other descriptors than their own")]
        let epoll = AsyncFd::new(epoll)?;
        let tidies = interval(Duration::from_secs(1));
        Ok(Self { epoll, parked: HashMap::new(), ready: Vec::new(), tidies })
    }

    /// Parks a connection.
    ///
    /// # Errors
    /// When the system can't watch it; it is closed then.
    pub fn park(&mut self, idle: Parked) -> io::Result<()> {
        let fd = idle.tcp.as_raw_fd();
        let data = EventData::new_u64(u64::try_from(fd).map_err(io::Error::other)?);
        epoll::add(&self.epoll, &idle.tcp, data, EventFlags::IN | EventFlags::RDHUP | EventFlags::ONESHOT)?;
        self.parked.insert(fd, idle);
        Ok(())
    }

    /// Waits for one that has bytes or has ended. Those whose time is over are closed meanwhile. May be dropped at any time.
    ///
    /// # Errors
    /// When the system does not say.
    pub async fn next(&mut self) -> io::Result<Parked> {
        loop {
            while let Some(fd) = self.ready.pop() {
                if let Some(back) = self.parked.remove(&fd) {
                    epoll::delete(&self.epoll, &back.tcp)?;
                    return Ok(back);
                }
            }
            tokio::select! {
                readable = self.epoll.readable() => {
                    let mut readable = readable?;
                    let mut room = [const { MaybeUninit::<Event>::uninit() }; AT_ONCE];
                    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                    let (events, _) = epoll::wait(readable.get_ref(), &mut room, Some(&now))?;
                    if events.is_empty() {
                        readable.clear_ready();
                    }
                    self.ready.extend(events.iter().filter_map(|event| RawFd::try_from(event.data.u64()).ok()));
                }
                _ = self.tidies.tick() => {
                    let now = Instant::now();
                    self.parked.retain(|_, one| one.until > now);
                }
            }
        }
    }

    /// Closes all.
    pub fn close(&mut self) {
        self.parked = HashMap::new();
    }

    /// Whether nothing is parked.
    pub fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use tokio::sync::Semaphore;

    /// A parked connection's client.
    fn park(parking: &mut Parking, places: &Arc<Semaphore>, until: Instant) -> TcpStream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, peer) = listener.accept().unwrap();
        let permit = Arc::new(Arc::clone(places).try_acquire_owned().unwrap());
        parking.park(Parked { tcp, peer, permit, until, requests: 1 }).unwrap();
        client
    }

    #[test]
    fn of_many_who_asked_once_is_parked_at_once() {
        for (requests, unparked, expected) in [
            (1, UNPARKED, AFTER),
            (1, UNPARKED + 1, Duration::ZERO),
            (0, UNPARKED + 1, AFTER),
            (2, UNPARKED + 1, AFTER),
        ] {
            assert_eq!(after(requests, unparked), expected, "{requests} {unparked}");
        }
    }

    #[tokio::test]
    async fn a_connection_comes_back_when_it_has_bytes_or_has_ended() {
        let (mut parking, places) = (Parking::new().unwrap(), Arc::new(Semaphore::new(3)));
        let later = Instant::now() + Duration::from_secs(600);
        let mut clients: Vec<_> = (0..3).map(|_| park(&mut parking, &places, later)).collect();
        let gone = clients.pop().unwrap().local_addr().unwrap();
        assert_eq!(parking.next().await.unwrap().peer, gone);
        for client in &mut clients {
            client.write_all(b"x").unwrap();
            let back = parking.next().await.unwrap();
            assert_eq!(back.peer, client.local_addr().unwrap());
        }
        assert!(parking.is_empty() && places.available_permits() == 3);
    }

    #[tokio::test]
    async fn who_brings_nothing_in_time_is_closed() {
        let (mut parking, places) = (Parking::new().unwrap(), Arc::new(Semaphore::new(2)));
        let _old = park(&mut parking, &places, Instant::now());
        let mut client = park(&mut parking, &places, Instant::now() + Duration::from_secs(600));
        tokio::select! {
            biased;
            back = parking.next() => panic!("{back:?}"),
            permit = Arc::clone(&places).acquire_owned() => assert!(permit.is_ok()),
        }
        client.write_all(b"x").unwrap();
        assert_eq!(parking.next().await.unwrap().peer, client.local_addr().unwrap());
    }
}
