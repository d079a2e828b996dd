//! The steps of a rollout, each of which tells what it did and how long it took.

use super::bake::{Bake, Baked};
use super::course::{Course, addresses};
use crate::control::Failure;
use crate::error::Error;
use crate::plan::Spec;
use crate::proxy_files;
use crate::state_file::Kind;
use serde::Deserialize;

/// How often new instances are given other ports when another program takes one before they could.
const PORT_TRIES: usize = 3;

/// What a page says of itself, as far as a rollout needs it.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    page: String,
    pub(super) release: String,
    #[serde(default)]
    check: Vec<String>,
}

impl Course<'_> {
    /// Starts as many new instances as the page has, and waits until they are ready.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        let begun = self.begin("start");
        let mut tries = 1;
        loop {
            let more = self.site.more_of(self.page(), &self.binary)?;
            self.report.progress(format!("start: {}", names(&more).join(", ")));
            match self.site.supervisor.start_more(Kind::Page, more.clone()).await {
                Ok(()) => {
                    self.new = more;
                    break;
                }
                Err(Error::AddressTaken { .. }) if tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
        let told: Vec<String> = self.new.iter().map(|spec| format!("{} {}", spec.name, spec.address)).collect();
        self.report.step("start", begun, format!("{}: ready", told.join(", ")));
        Ok(())
    }

    /// Reads the manifest of a new instance, and checks that it is of this page and of another release.
    pub(super) async fn manifest(&mut self) -> Result<Manifest, Failure> {
        let first = self.new.first().ok_or_else(|| Failure::new("the page has no instance"))?;
        let manifest =
            self.manifest_of(first).await.map_err(|reason| Failure::new(format!("{}: {reason}", first.name)))?;
        if manifest.page != self.page() {
            return Err(Failure::new(format!("the binary says that it is page `{}`", manifest.page)));
        }
        if self.old_release.as_ref() == Some(&manifest.release) {
            return Err(Failure::new(format!(
                "the binary says release {}, as the one that runs: build it with PAGEFLEET_RELEASE=<name>",
                manifest.release
            )));
        }
        self.ticket.show(|rollout| rollout.release = Some(manifest.release.clone()));
        Ok(manifest)
    }

    /// Asks the old instances which release they are. One that is down can't tell, and may be why there is a rollout.
    pub(super) async fn ask_the_old(&mut self) {
        for spec in &self.old.instances {
            if let Ok(manifest) = self.manifest_of(spec).await {
                self.old_release = Some(manifest.release);
                break;
            }
        }
    }

    async fn manifest_of(&self, spec: &Spec) -> Result<Manifest, String> {
        let url = format!("http://{}/.well-known/page.json", spec.address);
        let answer = self.site.client.get(url).send().await.map_err(|_| "no answer to GET /.well-known/page.json")?;
        match answer.status() {
            status if !status.is_success() => Err(format!("GET /.well-known/page.json gave {status}")),
            _ => answer
                .json()
                .await
                .map_err(|_| "what it answers to GET /.well-known/page.json is no manifest".to_owned()),
        }
    }

    /// Has the proxy check the new instances, which get no visitor meanwhile.
    pub(super) async fn gate(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        let begun = self.begin("gate");
        self.share(&manifest.release, 0)?;
        self.until_let_in(&manifest.release).await?;
        self.report.step("gate", begun, format!("release {}: let in by the proxy", manifest.release));
        Ok(())
    }

    /// Looks at the page's check paths, on every new instance.
    pub(super) async fn check(&self, manifest: &Manifest) -> Result<(), Failure> {
        let begun = self.begin("check");
        for path in &manifest.check {
            for spec in &self.new {
                self.look_at(path, spec).await?;
            }
        }
        let checked =
            if manifest.check.is_empty() { "the manifest names no path".to_owned() } else { manifest.check.join(", ") };
        self.report.step("check", begun, checked);
        Ok(())
    }

    async fn look_at(&self, path: &str, spec: &Spec) -> Result<(), Failure> {
        let url = format!("http://{}{path}", spec.address);
        let seen = match self.site.client.get(url).send().await {
            Ok(answer) if answer.status().is_success() || answer.status().is_redirection() => return Ok(()),
            Ok(answer) => format!("gave {}", answer.status()),
            Err(error) if error.is_timeout() => "gave no answer in time".to_owned(),
            Err(_) => "gave no answer".to_owned(),
        };
        Err(Failure::new(format!("check path {path} {seen} on {} ({})", spec.name, spec.address)))
    }

    /// Gives the new release visitors, and watches it. All of them at once is blue/green: then it is compared with what the
    /// old one was like before.
    pub(super) async fn share_and_bake(&mut self, release: &str) -> Result<Option<Baked>, Failure> {
        let is_watched = !self.terms.bake().is_zero();
        let blue_green = matches!(self.terms.canary, 0 | 100);
        if blue_green && !is_watched {
            return Ok(None);
        }
        let bake = Bake::new(release, self.old_release.as_deref());
        let before = if blue_green { Some(bake.old_figures_so_far(self).await?) } else { None };
        let share = if blue_green { 100 } else { self.terms.canary };
        let begun = self.begin("share");
        self.share(release, share)?;
        self.until_shared(release, share).await?;
        self.ticket.show(|rollout| rollout.share = share);
        self.report.step("share", begun, format!("{share} % of visitors"));
        if !is_watched {
            return Ok(None);
        }
        let begun = self.begin("bake");
        let baked = bake.run(self, before).await?;
        self.report.step("bake", begun, baked.told());
        Ok(Some(baked))
    }

    /// Waits until the proxy has let go of instances that are not in the page file any more.
    pub(super) async fn drain(&self, specs: &[Spec]) -> Result<(), Failure> {
        let begun = self.begin("drain");
        self.until_gone(specs).await?;
        self.report.step("drain", begun, names(specs).join(", "));
        Ok(())
    }

    pub(super) async fn stop(&self, specs: &[Spec]) -> Result<(), Failure> {
        if !specs.is_empty() {
            let begun = self.begin("stop");
            self.site.supervisor.stop_some(&names(specs)).await?;
            self.report.step("stop", begun, names(specs).join(", "));
        }
        Ok(())
    }

    /// Has old and new instances in the page file, and gives the new release a percentage of visitors.
    fn share(&mut self, release: &str, share: u8) -> Result<(), Failure> {
        let instances = addresses(&self.old.instances).into_iter().chain(addresses(&self.new)).collect();
        self.is_in_page_file = true;
        Ok(proxy_files::write_page(&self.site.folder, &self.old.page, instances, Some((release, share)))?)
    }
}

fn names(specs: &[Spec]) -> Vec<String> {
    specs.iter().map(|spec| spec.name.clone()).collect()
}
