//! The course of a rollout: start the new instances, have the proxy let them in, look at the page, give them a share, bake,
//! give them everybody, let the old ones go. Until the new release is recorded everything can be taken back, and is, when a
//! step fails. Whoever is killed in between leaves a page file whose instances all run.

use super::Ticket;
use super::bake::Baked;
use crate::control::{Failure, Report, Terms};
use crate::error::Error;
use crate::plan::Spec;
use crate::progress;
use crate::proxy_files;
use crate::releases::{Binary, Run, now};
use crate::site::{Served, Site};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// A rollout or a rollback.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) site: &'a Arc<Site>,
    pub(super) ticket: Ticket,
    pub(super) report: &'a Report,
    pub(super) terms: Terms,
    /// What served when it began.
    pub(super) old: Served,
    /// The new instances, as far as they were started.
    pub(super) new: Vec<Spec>,
    pub(super) binary: Binary,
    /// `rollout` or `rollback`.
    verb: &'static str,
    /// Of the old instances, if one could tell.
    pub(super) old_release: Option<String>,
    /// Whether the page file has had a new instance in it.
    pub(super) is_in_page_file: bool,
    began: Instant,
}

impl<'a> Course<'a> {
    /// Begins with nothing changed yet.
    pub(super) fn new(
        site: &'a Arc<Site>,
        ticket: Ticket,
        (binary, verb): (Binary, &'static str),
        (terms, report): (Terms, &'a Report),
    ) -> Result<Self, Error> {
        let old = site.served(ticket.page())?;
        let (new, old_release, is_in_page_file, began) = (Vec::new(), None, false, Instant::now());
        Ok(Self { site, ticket, report, terms, old, new, binary, verb, old_release, is_in_page_file, began })
    }

    /// Goes all the way, or back.
    pub(super) async fn run(mut self) -> Result<String, Failure> {
        let job = self.ticket.job().clone();
        let committed = tokio::select! {
            biased;
            () = job.cancelled() => Err(Failure::new("cancelled by rollback")),
            committed = self.until_commit() => committed,
        };
        match committed {
            Ok((release, baked)) => self.let_the_old_go(&release, baked).await,
            Err(failure) => Err(self.go_back(failure).await),
        }
    }

    async fn until_commit(&mut self) -> Result<(String, Option<Baked>), Failure> {
        self.ask_the_old().await;
        self.start().await?;
        let manifest = self.manifest().await?;
        self.gate(&manifest).await?;
        self.check(&manifest).await?;
        let baked = self.share_and_bake(&manifest.release).await?;
        self.all_new_are_well().await?;
        self.commit(&manifest.release)?;
        Ok((manifest.release, baked))
    }

    /// From here on the new release is what runs, also after the next `up`.
    fn commit(&mut self, release: &str) -> Result<(), Failure> {
        if !self.ticket.job().commit() {
            return Err(Failure::new("cancelled by rollback"));
        }
        let run = |binary: &Binary, release: &str, since| {
            let (binary, release) = (binary.id.clone(), release.to_owned());
            Run { binary, release, since }
        };
        let (page, since) = (self.page(), now());
        let replaced = run(&self.old.binary, self.old_release.as_deref().unwrap_or("unknown"), self.old.since);
        self.site.releases.rolled_out(page, run(&self.binary, release, since), replaced)?;
        self.site.serves(page, self.new.clone(), self.binary.clone(), since);
        Ok(())
    }

    /// Everybody to the new instances; the old ones finish what they have begun, and end.
    async fn let_the_old_go(&self, release: &str, baked: Option<Baked>) -> Result<String, Failure> {
        let page = self.page();
        let but = |failure: Failure| Failure {
            reason: format!("{page} {release} is rolled out, but {}", failure.reason),
            ..failure
        };
        let begun = self.begin("serve");
        proxy_files::write_page(&self.site.folder, &self.old.page, addresses(&self.new), None)
            .map_err(|error| but(error.into()))?;
        self.until_left(&self.old.instances).await;
        self.ticket.show(|rollout| rollout.share = 100);
        self.report.step(
            "serve",
            begun,
            format!("100 % of visitors, {:.1} s after the begin", self.began.elapsed().as_secs_f64()),
        );
        self.drain(&self.old.instances).await.map_err(but)?;
        self.stop(&self.old.instances).await.map_err(but)?;
        self.prune();
        let seen = baked.map(|baked| format!(", {}", baked.in_the_end())).unwrap_or_default();
        let old = self.old_release.as_deref().unwrap_or("the old release");
        if self.site.served(page)?.binary.id != self.binary.id {
            return Ok(format!("{page} {release} served everybody{seen}, and was rolled back meanwhile"));
        }
        Ok(format!("{page} {release} serves everybody{seen}; {old} is kept for rollback"))
    }

    /// Everybody to the old instances, and what was started ends.
    async fn go_back(&self, mut failure: Failure) -> Failure {
        let page = self.page();
        let old = self.old_release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
        self.ticket.show(|rollout| (rollout.step, rollout.share) = ("back".to_owned(), 0));
        self.report.progress(format!("back: {}", failure.reason));
        let mut outcome = format!("the old release{old} serves");
        if let Err(back) = self.take_back().await {
            outcome = format!("and the way back failed: {}", back.reason);
        }
        self.prune();
        failure.reason = format!("{} of {page} failed: {}; {outcome}", self.verb, failure.reason);
        failure
    }

    async fn take_back(&self) -> Result<(), Failure> {
        if self.is_in_page_file {
            proxy_files::write_page(&self.site.folder, &self.old.page, addresses(&self.old.instances), None)?;
            self.drain(&self.new).await?;
        }
        self.stop(&self.new).await
    }

    fn prune(&self) {
        let running = self.site.served(self.page()).map_or(self.old.binary.id.clone(), |served| served.binary.id);
        if let Err(error) = self.site.releases.prune(self.page(), &[&running]) {
            progress::error(error);
        }
    }

    pub(super) fn begin(&self, step: &str) -> Instant {
        self.ticket.show(|rollout| rollout.step = step.to_owned());
        Instant::now()
    }

    pub(super) fn page(&self) -> &str {
        &self.old.page.name
    }
}

pub(super) fn addresses(specs: &[Spec]) -> Vec<SocketAddr> {
    specs.iter().map(|spec| spec.address).collect()
}
