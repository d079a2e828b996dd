//! The threads that serve visitors: each has a runtime, an accept loop and a pingora proxy of its own, all on the same
//! listening sockets. And how they end: no new connection, what is in flight finishes, all within a bound.

use crate::answer;
use crate::connection::{Ending, Serve};
use crate::gateway::Gateway;
use crate::head::HeadLimits;
use crate::head_guard::{GuardSettings, RefusalAnswer};
use crate::parking::{Parked, Parking};
use crate::settings::Settings;
use crate::transport::Transport;
use crate::upstreams::Upstreams;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use std::net::TcpListener as StdTcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How long connections that are cut off may take to end.
const CUT_BOUND: Duration = Duration::from_secs(3);

/// The serving threads.
pub struct Server {
    gateway: Gateway,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    drain: Arc<OnceLock<Drain>>,
}

/// How the serving threads end.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How long what is in flight may take; then it is cut off.
    pub bound: Duration,
    /// How long an idle kept connection may still bring a request, which is answered with `Connection: close`; then it is
    /// closed.
    pub idle_window: Duration,
}

impl Server {
    /// Starts `threads` threads on these listeners.
    ///
    /// # Errors
    /// When a thread, a runtime or a copy of a listener can't be had.
    pub fn start(gateway: Gateway, listeners: Vec<StdTcpListener>) -> std::io::Result<Self> {
        let settings = gateway.live.load_full();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let places = Arc::new(Semaphore::new(settings.file.limits.connections));
        let (stop, stopping) = watch::channel(false);
        let drain = Arc::<OnceLock<Drain>>::default();
        for listener in &listeners {
            // Accepted connections have it from their listener (tcp(7)).
            rustix::net::sockopt::set_tcp_nodelay(listener, true)?;
        }
        let mut threads = Vec::new();
        for index in 0..settings.file.threads.unwrap_or(cores) {
            let worker = Worker {
                gateway: gateway.clone(),
                listeners: listeners.iter().map(StdTcpListener::try_clone).collect::<Result<_, _>>()?,
                places: Arc::clone(&places),
                stopping: stopping.clone(),
                drain: Arc::clone(&drain),
            };
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let name = format!("serve-{index}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || runtime.block_on(worker.run()))?);
        }
        Ok(Self { gateway, threads, stop, drain })
    }

    /// Ends the listening, lets what is in flight finish within the bound, and waits for the threads.
    pub fn drain(self, drain: Drain) {
        self.gateway.draining.store(true, Ordering::Relaxed);
        // It is told once: draining takes the server.
        let _ = self.drain.set(drain);
        // Without a worker left there is nobody to tell.
        let _ = self.stop.send(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a serving thread panicked");
            }
        }
    }
}

struct Worker {
    gateway: Gateway,
    listeners: Vec<StdTcpListener>,
    places: Arc<Semaphore>,
    stopping: ShutdownWatch,
    drain: Arc<OnceLock<Drain>>,
}

impl Worker {
    async fn run(mut self) {
        let (end, ending) = watch::channel(Ending::No);
        let serving = Serving {
            gateway: self.gateway.clone(),
            proxy: self.proxy(),
            upstreams: self.upstreams(),
            answer: self.answer(),
            stopping: self.stopping.clone(),
            ending,
            unparked: Arc::default(),
        };
        let mut accepting = JoinSet::new();
        for listener in std::mem::take(&mut self.listeners) {
            match TcpListener::from_std(listener).and_then(|listener| Ok((listener, Parking::new()?))) {
                Ok((listener, parking)) => {
                    let places = Arc::clone(&self.places);
                    accepting.spawn(accept(listener, places, serving.clone(), parking));
                }
                Err(error) => tracing::error!(%error, "a listener can't be polled"),
            }
        }
        // An error means that the sender is gone: as good as being told to stop.
        let _ = self.stopping.wait_for(|stop| *stop).await;
        let mut open = JoinSet::new();
        while let Some(connections) = accepting.join_next().await {
            match connections {
                Ok(connections) => drop(open.spawn(connections.finish())),
                Err(error) => tracing::error!(%error, "an accept loop panicked"),
            }
        }
        let now = Drain { bound: Duration::ZERO, idle_window: Duration::ZERO };
        let drain = self.drain.get().copied().unwrap_or(now);
        let ended = async { while open.join_next().await.is_some() {} };
        tokio::pin!(ended);
        let finish = async {
            if tokio::time::timeout(drain.idle_window, &mut ended).await.is_err() {
                end.send_replace(Ending::Idle);
                (&mut ended).await;
            }
        };
        if tokio::time::timeout(drain.bound, finish).await.is_err() {
            tracing::warn!(
                places_free = self.places.available_permits(),
                "drain timed out; open connections are cut off"
            );
            end.send_replace(Ending::All);
            // Who has not ended by then goes with the runtime.
            let _ = tokio::time::timeout(CUT_BOUND, ended).await;
        }
    }

    fn proxy(&self) -> Arc<HttpProxy<Gateway>> {
        let conf = ServerConf {
            threads: 1,
            upstream_keepalive_pool_size: self.gateway.live.load().file.limits.upstream_idle,
            max_retries: crate::retry::MAX_ATTEMPTS,
            ..ServerConf::default()
        };
        let mut proxy = HttpProxy::new(self.gateway.clone(), Arc::new(conf));
        proxy.handle_init_modules();
        Arc::new(proxy)
    }

    fn upstreams(&self) -> Arc<Upstreams> {
        let upstreams = Arc::new(Upstreams::new(self.gateway.live.load().file.limits.upstream_idle));
        tokio::spawn(Arc::clone(&upstreams).tidy());
        upstreams
    }

    fn answer(&self) -> Arc<RefusalAnswer> {
        let gateway = self.gateway.clone();
        Arc::new(move |refusal| {
            gateway.metrics.refused_heads.with_label_values(&[refusal.reason]).inc();
            answer::refusal(&gateway.live.load().error_pages, refusal)
        })
    }
}

/// What a worker serves its connections with; cheap to clone.
#[derive(Clone)]
struct Serving {
    gateway: Gateway,
    proxy: Arc<HttpProxy<Gateway>>,
    upstreams: Arc<Upstreams>,
    answer: Arc<RefusalAnswer>,
    stopping: ShutdownWatch,
    ending: watch::Receiver<Ending>,
    unparked: Arc<AtomicUsize>,
}

impl Serving {
    /// For connections that begin while these are the settings.
    fn serve(&self, settings: &Settings) -> Arc<Serve> {
        let (limits, timeouts) = (settings.file.limits, settings.file.timeouts);
        let guard = GuardSettings {
            timeout: timeouts.head,
            idle: timeouts.idle,
            limits: HeadLimits {
                head_bytes: limits.head_bytes,
                target_bytes: limits.target_bytes,
                fields: limits.header_fields,
            },
            answer: Arc::clone(&self.answer),
            unparked: Arc::clone(&self.unparked),
        };
        Arc::new(Serve {
            gateway: self.gateway.clone(),
            proxy: Arc::clone(&self.proxy),
            upstreams: Arc::clone(&self.upstreams),
            guard,
            timeouts,
            stopping: self.stopping.clone(),
            ending: self.ending.clone(),
        })
    }
}

/// The connections that one accept loop has open.
struct Connections {
    serving: Serving,
    settings: Arc<Settings>,
    serve: Arc<Serve>,
    tasks: JoinSet<Option<Parked>>,
    parking: Parking,
}

impl Connections {
    fn new(serving: Serving, parking: Parking) -> Self {
        let settings = serving.gateway.live.load_full();
        let serve = serving.serve(&settings);
        Self { serving, settings, serve, tasks: JoinSet::new(), parking }
    }

    /// Serves a connection, by the settings of now.
    fn serve(&mut self, transport: Transport, requests: u32) {
        let now = self.serving.gateway.live.load();
        if !Arc::ptr_eq(&now, &self.settings) {
            self.settings = Arc::clone(&now);
            self.serve = self.serving.serve(&now);
        }
        self.tasks.spawn(Arc::clone(&self.serve).connection(transport, requests));
        self.serving.unparked.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until one is to be parked or comes back, and sees to it. May be dropped at any time.
    async fn attend(&mut self) {
        let problem = tokio::select! {
            Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                self.serving.unparked.fetch_sub(1, Ordering::Relaxed);
                match ended {
                    Ok(idle) => idle.map_or(Ok(()), |idle| self.parking.park(idle)),
                    Err(error) => Err(error.into()),
                }
            }
            back = self.parking.next() => back.and_then(|Parked { tcp, peer, permit, requests, .. }| {
                self.serve(Transport::new(TcpStream::from_std(tcp)?, peer, permit), requests);
                Ok(())
            }),
        };
        if let Err(error) = problem {
            tracing::error!(%error, "a connection is lost");
        }
    }

    /// Serves on until none is left.
    async fn finish(mut self) {
        let mut ending = self.serving.ending.clone();
        while !(self.tasks.is_empty() && self.parking.is_empty()) {
            tokio::select! {
                () = self.attend() => {}
                // The worker, which tells, waits for this.
                _ = ending.wait_for(|ending| *ending >= Ending::Idle), if !self.parking.is_empty() => self.parking.close(),
            }
        }
    }
}

/// Accepts until told to stop; gives back the connections that are still open.
async fn accept(listener: TcpListener, places: Arc<Semaphore>, serving: Serving, parking: Parking) -> Connections {
    let mut stopping = serving.stopping.clone();
    let mut connections = Connections::new(serving, parking);
    loop {
        let accepted = async {
            // Above the limit new connections wait in the listen queue.
            let permit = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, permit)
        };
        tokio::select! {
            _ = stopping.changed() => return connections,
            () = connections.attend() => {}
            (accepted, permit) = accepted => match (accepted, permit) {
                (Ok((tcp, peer)), Ok(permit)) => {
                    connections.serve(Transport::new(tcp, peer, Arc::new(permit)), 0);
                }
                (Err(error), _) => {
                    // Out of file descriptors, most likely: wait for some to come back instead of spinning.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                (_, Err(_)) => return connections,
            },
        }
    }
}
