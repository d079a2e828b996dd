//! The threads that serve visitors: each has a runtime, an accept loop and a pingora proxy of its own, all on the same
//! listening sockets. And how they end: no new connection, what is in flight finishes, all within a bound.

use crate::answer;
use crate::connection::Serve;
use crate::gateway::Gateway;
use crate::head::HeadLimits;
use crate::head_guard::GuardSettings;
use crate::transport::Transport;
use pingora_core::apps::HttpServerApp;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How long an idle kept connection may still bring a request after shutdown began; it is answered with
/// `Connection: close`.
const IDLE_WINDOW: Duration = Duration::from_secs(1);

/// The serving threads.
pub struct Server {
    gateway: Gateway,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Binds all addresses, so that a taken one is known before anything starts.
///
/// # Errors
/// Names the address.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let bind = |address: &SocketAddr| {
        let listener = TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
        listener.set_nonblocking(true).map_err(|error| format!("cannot listen on {address}: {error}"))?;
        Ok(listener)
    };
    addresses.iter().map(bind).collect()
}

impl Server {
    /// Starts `threads` threads on these listeners.
    ///
    /// # Errors
    /// When a thread, a runtime or a copy of a listener can't be had.
    pub fn start(gateway: Gateway, listeners: Vec<TcpListener>) -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = gateway.config.threads.unwrap_or(cores);
        let places = Arc::new(Semaphore::new(gateway.config.limits.connections));
        let (stop, stopping) = watch::channel(false);
        let mut handles = Vec::new();
        for index in 0..threads {
            let worker = Worker {
                gateway: gateway.clone(),
                listeners: listeners.iter().map(TcpListener::try_clone).collect::<Result<_, _>>()?,
                places: Arc::clone(&places),
                stopping: stopping.clone(),
            };
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let name = format!("serve-{index}");
            handles.push(std::thread::Builder::new().name(name).spawn(move || runtime.block_on(worker.run()))?);
        }
        Ok(Self { gateway, threads: handles, stop })
    }

    /// Ends the listening, lets what is in flight finish within the `drain` timeout, and waits for the threads.
    pub fn drain(self) {
        self.gateway.draining.store(true, Ordering::Relaxed);
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
    listeners: Vec<TcpListener>,
    places: Arc<Semaphore>,
    stopping: ShutdownWatch,
}

impl Worker {
    async fn run(mut self) {
        let config = Arc::clone(&self.gateway.config);
        let proxy = self.proxy();
        let guard = self.guard();
        let mut accepting = JoinSet::new();
        for listener in std::mem::take(&mut self.listeners) {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    let places = Arc::clone(&self.places);
                    let serve = Serve { proxy: Arc::clone(&proxy), guard: guard.clone(), timeouts: config.timeouts };
                    accepting.spawn(accept(listener, places, serve, self.stopping.clone()));
                }
                Err(error) => tracing::error!(%error, "a listener can't be polled"),
            }
        }
        // An error means that the sender is gone: as good as being told to stop.
        let _ = self.stopping.wait_for(|stop| *stop).await;
        let mut open = JoinSet::new();
        while let Some(connections) = accepting.join_next().await {
            match connections {
                Ok(mut connections) => {
                    open.spawn(async move { while connections.join_next().await.is_some() {} });
                }
                Err(error) => tracing::error!(%error, "an accept loop panicked"),
            }
        }
        let finish = async {
            let all = async { while open.join_next().await.is_some() {} };
            tokio::pin!(all);
            if tokio::time::timeout(IDLE_WINDOW, &mut all).await.is_err() {
                proxy.http_cleanup().await;
                all.await;
            }
        };
        if tokio::time::timeout(config.timeouts.drain, finish).await.is_err() {
            tracing::warn!(places_free = self.places.available_permits(), "drain timed out; open connections are cut");
        }
    }

    fn proxy(&self) -> Arc<HttpProxy<Gateway>> {
        let conf = ServerConf {
            threads: 1,
            upstream_keepalive_pool_size: self.gateway.config.limits.upstream_idle,
            max_retries: crate::retry::MAX_ATTEMPTS,
            ..ServerConf::default()
        };
        let mut proxy = HttpProxy::new(self.gateway.clone(), Arc::new(conf));
        proxy.handle_init_modules();
        Arc::new(proxy)
    }

    fn guard(&self) -> GuardSettings {
        let (limits, timeouts) = (self.gateway.config.limits, self.gateway.config.timeouts);
        let (metrics, pages) = (self.gateway.metrics.clone(), Arc::clone(&self.gateway.error_pages));
        GuardSettings {
            timeout: timeouts.head,
            idle: timeouts.idle,
            limits: HeadLimits {
                head_bytes: limits.head_bytes,
                target_bytes: limits.target_bytes,
                fields: limits.header_fields,
            },
            answer: Arc::new(move |refusal| {
                metrics.refused_heads.with_label_values(&[refusal.reason]).inc();
                answer::refusal(&pages, refusal)
            }),
        }
    }
}

/// Accepts until told to stop; gives back the connections that are still open.
async fn accept(
    listener: tokio::net::TcpListener,
    places: Arc<Semaphore>,
    serve: Serve,
    mut stopping: ShutdownWatch,
) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    let shutdown = stopping.clone();
    loop {
        let accepted = async {
            // Above the limit new connections wait in the listen queue.
            let permit = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, permit)
        };
        tokio::select! {
            _ = stopping.changed() => return connections,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (accepted, permit) = accepted => match (accepted, permit) {
                (Ok((tcp, peer)), Ok(permit)) => {
                    let _ = tcp.set_nodelay(true);
                    let transport = Transport::new(tcp, peer, permit);
                    connections.spawn(serve.clone().connection(transport, shutdown.clone()));
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
