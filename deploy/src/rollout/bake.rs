//! The bake: a new release is watched while it has some visitors, or all of them.

use super::course::Course;
use super::exposition::{Counters, counters_of};
use super::figures::{Figures, Window};
use super::verdict::{self, ENOUGH, Verdict};
use crate::control::Failure;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// At the most, a tenth of the bake: what is asked until then is not counted.
const WARM_UP: Duration = Duration::from_secs(2);
/// Between two looks: a tenth of the bake, but within these.
const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long the proxy may be silent, because it is started again.
const SILENCE: Duration = Duration::from_secs(30);

/// Which two sides are compared.
#[derive(Debug)]
pub(super) struct Bake {
    new: String,
    old: Option<String>,
}

/// What it came to.
#[derive(Debug, Clone)]
pub(super) struct Baked {
    new: Figures,
    old: Figures,
}

impl Bake {
    /// Of a new release and the old one; if nobody could tell which that is, it is every other.
    pub(super) fn new(new: &str, old: Option<&str>) -> Self {
        Self { new: new.to_owned(), old: old.map(str::to_owned) }
    }

    /// What the old release was like since the proxy began.
    pub(super) async fn old_figures_so_far(&self, course: &Course<'_>) -> Result<Figures, Failure> {
        let deadline = Instant::now() + SILENCE;
        loop {
            match counters(course).await {
                Ok(counters) => return Ok(Figures::of(&counters, |release| self.is_old(release))),
                Err(reason) if Instant::now() >= deadline => return Err(silent(&reason)),
                Err(reason) => course.report.progress(format!("the proxy does not answer ({reason})")),
            }
            sleep(POLL.0).await;
        }
    }

    /// Watches the new release, beside the old one or compared with what that was like `before`. Fails as soon as it is
    /// clear that it is worse, and when a new instance does not stay well.
    pub(super) async fn run(&self, course: &Course<'_>, before: Option<Figures>) -> Result<Baked, Failure> {
        let bake = course.terms.bake();
        let poll = (bake / 10).clamp(POLL.0, POLL.1);
        let begun = Instant::now();
        let counts_from = begun + (bake / 10).min(WARM_UP);
        let mut end = begun + bake;
        let mut is_extended = false;
        let mut window = Window::default();
        let mut seen = Instant::now();
        loop {
            course.all_new_are_well().await?;
            let answers = Instant::now() < counts_from
                || match counters(course).await {
                    Ok(counters) => {
                        window.look(counters);
                        seen = Instant::now();
                        true
                    }
                    Err(reason) if seen.elapsed() >= SILENCE => return Err(silent(&reason)),
                    Err(_) => false,
                };
            let baked = self.baked(&window, before.as_ref());
            let verdict = verdict::judge(&baked.new, &baked.old);
            if let Verdict::Worse(reason) = verdict {
                return Err(Failure::new(reason));
            }
            // Whoever promotes has just looked.
            if Instant::now() >= end && answers {
                match verdict {
                    Verdict::TooFew if !is_extended => (is_extended, end) = (true, end + bake),
                    Verdict::TooFew if course.terms.strict => return Err(baked.too_few()),
                    _ => return Ok(baked),
                }
            }
            let (past, all) = (begun.elapsed().as_secs(), (end - begun).as_secs());
            course.report.progress(format!("bake: {past} s of {all} s, {}", baked.told()));
            sleep(poll).await;
        }
    }

    fn baked(&self, window: &Window, before: Option<&Figures>) -> Baked {
        let new = window.figures(|release| release == self.new);
        let old = before.cloned().unwrap_or_else(|| window.figures(|release| self.is_old(release)));
        Baked { new, old }
    }

    fn is_old(&self, release: &str) -> bool {
        self.old.as_deref().map_or(release != self.new, |old| release == old)
    }
}

impl Baked {
    /// As a step.
    pub(super) fn told(&self) -> String {
        format!("{}, {}", self.requests(), verdict::told(&self.new, &self.old))
    }

    /// As a part of the outcome.
    pub(super) fn in_the_end(&self) -> String {
        format!("on {} ({})", self.requests(), verdict::told(&self.new, &self.old))
    }

    fn requests(&self) -> String {
        format!("{} requests", verdict::thousands(self.new.requests))
    }

    fn too_few(&self) -> Failure {
        let (new, old) = (verdict::thousands(self.new.requests), verdict::thousands(self.old.requests));
        Failure::new(format!(
            "{new} requests, old release {old}: {ENOUGH} on either side are needed to judge it (--strict)"
        ))
    }
}

async fn counters(course: &Course<'_>) -> Result<Counters, String> {
    Ok(counters_of(course.page(), &course.site.admin.metrics().await?))
}

fn silent(reason: &str) -> Failure {
    Failure::new(format!("the proxy does not answer ({reason}) for {} s", SILENCE.as_secs()))
}
