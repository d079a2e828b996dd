//! A fleet that is up, as what changes it sees it: which instances serve each page, which program they and the proxy run,
//! and who is changing what, so that no two rollouts of a page and no two upgrades meet.

use crate::address;
use crate::admin::Admin;
use crate::error::Error;
use crate::folder::Folder;
use crate::layout::Page;
use crate::plan::{Plan, Spec};
use crate::releases::{Binary, Releases, now};
use crate::rollout::{Job, Ticket};
use crate::supervisor::Supervisor;
use jiff::Timestamp;
use pagefleet_config::ProxyFile;
use reqwest::Client;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The fleet.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) folder: Folder,
    pub(crate) releases: Releases,
    /// Asks instances.
    pub(crate) client: Client,
    /// Asks the proxy.
    pub(crate) admin: Admin,
    pages: Mutex<BTreeMap<String, Served>>,
    proxy: Mutex<ProxyRun>,
    jobs: AtomicU64,
}

/// A page, and what serves it.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) page: Page,
    pub(crate) instances: Vec<Spec>,
    pub(crate) binary: Binary,
    /// Since when it serves.
    pub(crate) since: Timestamp,
    /// How many instances of the page have had a number.
    numbered: usize,
    /// The latest rollout.
    job: Option<Job>,
}

#[derive(Debug)]
struct ProxyRun {
    spec: Spec,
    upgrading_since: Option<Timestamp>,
}

/// The right to upgrade the proxy, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct UpgradeTurn(Arc<Site>);

/// What a rollback finds.
pub(crate) enum Turn {
    /// Nothing that can be taken back: it may begin.
    Begins(Ticket),
    /// A rollout that is under way, and is taken back now.
    Cancels(Job),
}

impl Site {
    /// Of a fleet whose children run as planned, each page with the program that `binaries` has for it.
    pub(crate) fn new(
        supervisor: Arc<Supervisor>,
        folder: Folder,
        (client, admin): (Client, SocketAddr),
        (plan, pages, binaries): (&Plan, &[Page], &BTreeMap<String, Binary>),
    ) -> Self {
        let served = |page: &Page| {
            let instances: Vec<Spec> = plan.specs_of(&page.name).cloned().collect();
            let binary = binaries.get(&page.name)?.clone();
            let (page, numbered) = (page.clone(), instances.len());
            Some((page.name.clone(), Served { page, instances, binary, since: now(), numbered, job: None }))
        };
        Self {
            supervisor,
            releases: Releases::of(&folder),
            folder,
            admin: Admin::new(client.clone(), admin),
            client,
            pages: Mutex::new(pages.iter().filter_map(served).collect()),
            proxy: Mutex::new(ProxyRun { spec: plan.proxy.clone(), upgrading_since: None }),
            jobs: AtomicU64::new(1),
        }
    }

    /// What serves a page now.
    pub(crate) fn served(&self, page: &str) -> Result<Served, Error> {
        let pages = self.lock();
        let known = || pages.keys().cloned().collect();
        pages.get(page).cloned().ok_or_else(|| Error::UnknownPage { page: page.to_owned(), known: known() })
    }

    /// Begins a rollout, unless one of the page is running.
    pub(crate) fn begin(self: &Arc<Self>, page: &str) -> Result<Ticket, Error> {
        self.served(page)?;
        let mut pages = self.lock();
        let served = pages.get_mut(page).expect("no page ever goes");
        match &served.job {
            Some(job) if !job.has_ended() => Err(Error::RolloutRunning { page: page.to_owned(), since: job.since() }),
            _ => Ok(self.ticket(served)),
        }
    }

    /// Begins a rollback, also while a rollout that has reached everybody still waits for the old instances to end; one
    /// that has not got so far is cancelled.
    pub(crate) fn begin_back(self: &Arc<Self>, page: &str) -> Result<Turn, Error> {
        self.served(page)?;
        let mut pages = self.lock();
        let served = pages.get_mut(page).expect("no page ever goes");
        match &served.job {
            Some(job) if job.cancel() => Ok(Turn::Cancels(job.clone())),
            _ => Ok(Turn::Begins(self.ticket(served))),
        }
    }

    fn ticket(self: &Arc<Self>, served: &mut Served) -> Ticket {
        let job = Job::begin(self.jobs.fetch_add(1, Ordering::Relaxed));
        served.job = Some(job.clone());
        Ticket::new(Arc::clone(&self.supervisor), &served.page.name, job)
    }

    /// As many instances of a page as it has now, of another program, at free addresses and with numbers that none had.
    pub(crate) fn more_of(&self, page: &str, binary: &Binary) -> Result<Vec<Spec>, Error> {
        let spoken_for: Vec<SocketAddr> = {
            let fleet = self.supervisor.state().now();
            fleet.children.iter().map(|child| child.address).chain([fleet.listen, fleet.admin]).collect()
        };
        let mut pages = self.lock();
        let Some(served) = pages.get_mut(page) else { return Ok(Vec::new()) };
        let free = address::pick(served.instances.len(), &spoken_for)?;
        let more = served.instances.iter().zip(free).map(|(instance, address)| {
            served.numbered += 1;
            instance.beside(served.numbered, address, &binary.program)
        });
        Ok(more.collect())
    }

    /// Notes that other instances serve a page now.
    pub(crate) fn serves(&self, page: &str, instances: Vec<Spec>, binary: Binary, since: Timestamp) {
        if let Some(served) = self.lock().get_mut(page) {
            (served.instances, served.binary, served.since) = (instances, binary, since);
        }
    }

    /// How long the proxy lets what is in flight take, when an instance leaves or a successor accepts.
    pub(crate) fn proxy_grace(&self) -> Duration {
        // A file that is broken now was not when the proxy read it: then it is the default.
        let timeouts = ProxyFile::read(&self.folder.proxy_file()).map(|file| file.timeouts);
        timeouts.unwrap_or_default().grace
    }

    /// Begins an upgrade of the proxy, unless one is running.
    pub(crate) fn begin_upgrade(self: &Arc<Self>) -> Result<UpgradeTurn, Error> {
        let mut proxy = self.proxy.lock().unwrap_or_else(PoisonError::into_inner);
        match proxy.upgrading_since {
            Some(since) => Err(Error::UpgradeRunning { since }),
            None => {
                proxy.upgrading_since = Some(now());
                Ok(UpgradeTurn(Arc::clone(self)))
            }
        }
    }

    /// Whether an old proxy may still have something in flight.
    pub(crate) fn is_upgrading(&self) -> bool {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner).upgrading_since.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Served>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UpgradeTurn {
    /// The proxy as it runs now.
    pub(crate) fn proxy(&self) -> Spec {
        self.0.proxy.lock().unwrap_or_else(PoisonError::into_inner).spec.clone()
    }

    /// Notes that another runs.
    pub(crate) fn runs(&self, spec: Spec) {
        self.0.proxy.lock().unwrap_or_else(PoisonError::into_inner).spec = spec;
    }
}

impl Drop for UpgradeTurn {
    fn drop(&mut self) {
        self.0.proxy.lock().unwrap_or_else(PoisonError::into_inner).upgrading_since = None;
    }
}

#[cfg(test)]
pub(crate) mod tests;
