//! Which releases are let in: those that the gate has put into the vault whole. Who was refused is told, once and until it
//! changes; only the last instance of a page is let in all the same, loudly.

use crate::fleet::{Fleet, PageId};
use crate::gate::{Gate, Refusal};
use crate::instance::{Instance, State};
use crate::manifest::{Manifest, ManifestError};
use crate::vault::Vault;
use moka::sync::Cache;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two rounds of the vault's upkeep.
const TEND_EVERY: Duration = Duration::from_secs(60);

/// How long a page is not asked again for an asset that it did not have, and how many such misses are remembered.
const MISS_FOR: Duration = Duration::from_secs(5);
const MISSES: u64 = 10_000;

/// How long a refused release is not fetched again; what its instance has may be mended meanwhile.
const REFUSAL_FOR: Duration = Duration::from_secs(5);

/// Lets releases in, and keeps the vault.
#[derive(Debug)]
pub struct Admission {
    fleet: Arc<Fleet>,
    /// `None` when the vault is off.
    gate: Option<Gate>,
    /// By address: what was refused last, and why.
    refusals: Cache<SocketAddr, (Arc<Manifest>, String)>,
    misses: Cache<(usize, String), ()>,
    taking: Mutex<()>,
}

/// A release that gets no traffic.
#[derive(Debug, thiserror::Error)]
#[error("release {release} refused: {reason}")]
pub struct Refused {
    release: Arc<str>,
    reason: String,
}

impl Admission {
    /// Lets in by this gate; without one, everybody.
    pub fn new(fleet: Arc<Fleet>, gate: Option<Gate>) -> Self {
        let misses = Cache::builder().max_capacity(MISSES).time_to_live(MISS_FOR).build();
        let refusals = Cache::builder().time_to_live(REFUSAL_FOR).build();
        Self { fleet, gate, refusals, misses, taking: Mutex::default() }
    }

    /// The vault, unless it is off.
    pub fn vault(&self) -> Option<&Arc<Vault>> {
        self.gate.as_ref().map(|gate| &gate.vault)
    }

    /// Takes what an instance says of itself, if its release is let in. `may_ungate` is for one that was refused for a
    /// while: before, another instance of the page may be about to join.
    ///
    /// # Errors
    /// Names the file that is not as promised.
    pub async fn decide(&self, instance: &Instance, manifest: Manifest, may_ungate: bool) -> Result<(), Refused> {
        let manifest = Arc::new(manifest);
        let known = instance.manifest.load_full();
        let refused = self.refusal_of(instance, &manifest).await;
        let waited = may_ungate || instance.ungated.load(Ordering::Relaxed);
        let ungated = refused.is_some() && waited && self.is_last(instance);
        let release = manifest.release.clone();
        self.tell(instance, refused.as_ref().map(|reason| format!("release {release}: {reason}")), ungated);
        match refused {
            Some(reason) if !ungated => Err(Refused { release, reason }),
            _ => {
                if known.as_ref() != Some(&manifest) {
                    instance.manifest.store(Some(manifest));
                    self.fleet.index_assets();
                }
                Ok(())
            }
        }
    }

    /// Notes that what an instance says of itself can't be taken at all.
    pub fn refuse_manifest(&self, instance: &Instance, error: &ManifestError) {
        self.tell(instance, Some(error.to_string()), false);
    }

    async fn refusal_of(&self, instance: &Instance, manifest: &Arc<Manifest>) -> Option<String> {
        let known = self.refusals.get(&instance.address).filter(|(known, _)| known == manifest);
        if let Some((_, reason)) = known {
            return Some(reason);
        }
        let reason = self.admit(instance, manifest).await.err()?.to_string();
        self.refusals.insert(instance.address, (Arc::clone(manifest), reason.clone()));
        Some(reason)
    }

    /// Lets a release get traffic: all of it is in the vault, and no other instance calls another one the same.
    async fn admit(&self, instance: &Instance, manifest: &Arc<Manifest>) -> Result<(), Refusal> {
        let was_admitted = !instance.ungated.load(Ordering::Relaxed) && instance.refused.load().is_none();
        let unchanged = was_admitted && instance.manifest.load().as_ref().is_some_and(|known| known == manifest);
        if let Some(gate) = &self.gate {
            if unchanged && manifest.paths().all(|path| gate.vault.has(path)) {
                return Ok(());
            }
            let page = self.fleet.page(instance.page);
            gate.admit(instance.address, &page.name, manifest, self.fleet.live_assets()).await?;
        }
        self.take(instance, manifest)
    }

    /// Takes the manifest, if no other instance of the page has another one of the same release. One at a time, so that of
    /// two that join together only one is in.
    fn take(&self, instance: &Instance, manifest: &Arc<Manifest>) -> Result<(), Refusal> {
        // It guards nothing that a panic could leave half done.
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let page = self.fleet.page(instance.page);
        let stays = |other: &Instance| matches!(other.state(), State::Joining | State::Healthy);
        let others = page.instances.iter().filter(|other| other.address != instance.address && stays(other));
        let differs = |other: &Manifest| other.release == manifest.release && *other != **manifest;
        if others.filter_map(|other| other.manifest.load_full()).any(|other| differs(&other)) {
            return Err(Refusal::TwoManifests(manifest.release.to_string()));
        }
        instance.manifest.store(Some(Arc::clone(manifest)));
        Ok(())
    }

    /// Whether no other instance of the page could serve it: each is refused itself, or down. One that is just being
    /// looked at may be about to join.
    fn is_last(&self, instance: &Instance) -> bool {
        let page = self.fleet.page(instance.page);
        page.instances.iter().filter(|other| other.address != instance.address).all(|other| match other.state() {
            State::Healthy => false,
            State::Draining => true,
            State::Joining | State::Unhealthy => other.problem.load().is_some() || other.refused.load().is_some(),
        })
    }

    /// Says, and keeps for the admin address, why an instance is refused, and whether it is let in all the same; once,
    /// until either changes.
    fn tell(&self, instance: &Instance, reason: Option<String>, ungated: bool) {
        let known = instance.refused.load_full();
        let was_ungated = instance.ungated.swap(ungated, Ordering::Relaxed);
        if known.as_deref() == reason.as_ref() && was_ungated == ungated {
            return;
        }
        let page = &self.fleet.page(instance.page).name;
        match &reason {
            Some(reason) if ungated => tracing::error!(
                %page, instance = %instance.address, reason,
                "RELEASE LET IN UNGATED: the gate refused it, and no other instance of the page is left"
            ),
            Some(reason) => tracing::error!(%page, instance = %instance.address, reason, "release refused"),
            None => tracing::info!(%page, instance = %instance.address, "release admitted"),
        }
        instance.refused.store(reason.map(Arc::new));
    }

    /// Fetches into the vault what a page should have and the vault does not hold.
    pub async fn fill(&self, page: PageId, path: &str) {
        let Some(gate) = &self.gate else { return };
        let miss = (page.0, path.to_owned());
        if self.misses.contains_key(&miss) {
            return;
        }
        let page = self.fleet.page(page);
        let name = &page.name;
        for instance in page.candidates(path) {
            match gate.fill(instance.address, name, path, self.fleet.live_assets()).await {
                Ok(()) => return,
                Err(refusal) => {
                    tracing::warn!(page = %name, instance = %instance.address, %refusal, "asset not taken in");
                }
            }
        }
        self.misses.insert(miss, ());
    }

    /// Keeps the vault, for ever: notes what is live, lets go what is not.
    pub async fn tend(self: Arc<Self>) {
        let Some(vault) = self.vault().cloned() else { return };
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            let (vault, live) = (Arc::clone(&vault), self.fleet.live_assets());
            if let Err(error) = tokio::task::spawn_blocking(move || vault.tend(&live)).await {
                tracing::error!(%error, "the vault's upkeep panicked");
            }
        }
    }
}
