//! What a rollout waits for at the proxy. The proxy may be silent for a while, because it is started again or upgraded; it
//! reads a page file a moment after it was written.

use super::course::Course;
use crate::admin::{Answer, Instance};
use crate::control::Failure;
use crate::plan::Spec;
use crate::readiness;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the proxy may take to see what a page file says, and to let new instances in.
const BOUND: Duration = Duration::from_secs(30);
/// A refusal of a page file that stands this long is of the file as it is now: the proxy looks every 2 s at least.
const REFUSAL_IS_OLD: Duration = Duration::from_secs(3);
/// What the proxy and the system may take beyond the grace.
const BEYOND_GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// What one look at the proxy showed.
pub(super) enum Look {
    Seen,
    NotYet(String),
    Never(String),
}

impl Course<'_> {
    /// Waits until all new instances are let in, with `release`.
    pub(super) async fn until_let_in(&self, release: &str) -> Result<(), Failure> {
        let looks = |answer: &Answer| {
            self.new
                .iter()
                .map(|spec| is_let_in(spec, answer.instance(self.page(), spec.address), release))
                .find(|look| !matches!(look, Look::Seen))
                .unwrap_or(Look::Seen)
        };
        self.until(looks).await
    }

    /// Waits until the proxy gives `release` that percentage of visitors.
    pub(super) async fn until_shared(&self, release: &str, share: u8) -> Result<(), Failure> {
        self.until(|answer| match answer.page(self.page()).and_then(|page| page.shares.get(release)) {
            Some(seen) if *seen == share => Look::Seen,
            _ => Look::NotYet(format!("the proxy does not give {release} {share} % of visitors yet")),
        })
        .await
    }

    /// Waits until the proxy sends nobody to some instances any more, but not for longer than the bound: that it never does
    /// so is for [`Self::until_gone`] to tell.
    pub(super) async fn until_left(&self, specs: &[Spec]) {
        let deadline = Instant::now() + BOUND;
        while Instant::now() < deadline {
            match self.site.admin.fleet().await {
                Ok(answer) if self.listed(specs, &answer).all(|instance| instance.state == "draining") => return,
                _ => sleep(POLL).await,
            }
        }
    }

    /// Waits until the proxy no longer lists some instances, which their page file doesn't any more: it lets what is in
    /// flight take its grace. Fails if it still sends them visitors after that.
    pub(super) async fn until_gone(&self, specs: &[Spec]) -> Result<(), Failure> {
        let deadline = Instant::now() + self.site.proxy_grace() + BEYOND_GRACE;
        loop {
            let mut served = None;
            match self.site.admin.fleet().await {
                Err(reason) => self.report.progress(format!("drain: the proxy does not answer ({reason})")),
                Ok(answer) if self.listed(specs, &answer).next().is_some() => {
                    let in_flight: u64 = self.listed(specs, &answer).map(|instance| instance.in_flight).sum();
                    self.report.progress(format!("drain: {in_flight} in flight"));
                    let is_served = |instance: &&Instance| instance.state != "draining";
                    served = self.listed(specs, &answer).find(is_served).map(|instance| instance.address.clone());
                }
                // What an old proxy has in flight its successor does not know.
                Ok(_) if self.site.is_upgrading() => {
                    self.report.progress("drain: the old proxy finishes what it has begun");
                }
                Ok(_) => return Ok(()),
            }
            if Instant::now() >= deadline {
                // A proxy that is silent, or drains, sends nobody there.
                return served.map_or(Ok(()), |address| {
                    let reason =
                        format!("the proxy still sends visitors to {address}, which its page file no longer has");
                    Err(Failure::new(reason))
                });
            }
            sleep(POLL).await;
        }
    }

    fn listed<'a>(&self, specs: &[Spec], answer: &'a Answer) -> impl Iterator<Item = &'a Instance> {
        specs.iter().filter_map(|spec| answer.instance(self.page(), spec.address))
    }

    /// Looks at the proxy until `look` has seen what it looks for, within the bound. A new instance that dies ends it.
    async fn until(&self, look: impl Fn(&Answer) -> Look) -> Result<(), Failure> {
        let deadline = Instant::now() + BOUND;
        let mut refused_since = None;
        loop {
            self.nobody_died()?;
            let reason = match self.site.admin.fleet().await {
                Ok(answer) => match self.refusal(&answer).map_or_else(|| look(&answer), Look::NotYet) {
                    Look::Seen => return Ok(()),
                    Look::Never(reason) => return Err(Failure::new(reason)),
                    Look::NotYet(reason) => {
                        let is_refusal = self.refusal(&answer).is_some();
                        refused_since = is_refusal.then(|| refused_since.unwrap_or_else(Instant::now));
                        if refused_since.is_some_and(|since: Instant| since.elapsed() >= REFUSAL_IS_OLD) {
                            return Err(Failure::new(reason));
                        }
                        reason
                    }
                },
                Err(reason) => format!("the proxy does not answer ({reason})"),
            };
            if Instant::now() >= deadline {
                return Err(Failure::new(format!("{reason}, after {} s", BOUND.as_secs())));
            }
            self.report.progress(reason);
            sleep(POLL).await;
        }
    }

    fn refusal(&self, answer: &Answer) -> Option<String> {
        let refused = answer.refused.iter().find(|refused| refused.page == self.page())?;
        Some(format!("the proxy refuses the page's file: {}", refused.error))
    }

    /// Fails if the proxy does not send visitors to a new instance any more, or it died.
    pub(super) async fn all_new_are_well(&self) -> Result<(), Failure> {
        self.nobody_died()?;
        // A proxy that is silent is started again, and then checks all instances anew.
        let Ok(answer) = self.site.admin.fleet().await else { return Ok(()) };
        let unwell = |spec: &Spec| {
            let how = answer.instance(self.page(), spec.address)?.is_unwell()?;
            Some(Failure::new(format!("{} ({}) is {how}", spec.name, spec.address)))
        };
        self.new.iter().find_map(unwell).map_or(Ok(()), Err)
    }

    /// Fails if a new instance had to be started again, or is down.
    fn nobody_died(&self) -> Result<(), Failure> {
        let fleet = self.site.supervisor.state().now();
        let is_new = |name: &str| self.new.iter().any(|spec| spec.name == name);
        let died =
            fleet.children.iter().find(|child| is_new(&child.name) && (child.restarts > 0 || child.pid.is_none()));
        let Some(died) = died else { return Ok(()) };
        let log = self.site.folder.log(&died.name);
        let mut details = vec![format!("the end of {}:", log.display())];
        details.extend(readiness::last_lines_of(&log).into_iter().map(|line| format!("| {line}")));
        Err(Failure { reason: format!("{} ({}) died", died.name, died.address), details })
    }
}

impl Instance {
    fn is_unwell(&self) -> Option<String> {
        let problem = self.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
        match self.state.as_str() {
            _ if self.ejected => Some(format!("ejected{problem}")),
            "unhealthy" => Some(format!("unhealthy{problem}")),
            _ => None,
        }
    }
}

fn is_let_in(spec: &Spec, instance: Option<&Instance>, release: &str) -> Look {
    let name = &spec.name;
    let Some(instance) = instance else { return Look::NotYet(format!("the proxy does not list {name} yet")) };
    if let Some(reason) = &instance.refused {
        return Look::Never(format!("the proxy does not let {name} in: {reason}"));
    }
    if instance.ungated {
        return Look::Never(format!("the proxy let {name} in without its assets"));
    }
    match (&instance.release, instance.state.as_str()) {
        (Some(seen), _) if seen != release => {
            Look::Never(format!("{name} is release {seen}, and the first of the new ones is {release}"))
        }
        (Some(_), "healthy") if !instance.ejected => Look::Seen,
        (_, state) => {
            let problem = instance.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
            Look::NotYet(format!("{name} is {state}{problem}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(extra: serde_json::Value) -> Instance {
        let mut json = serde_json::json!({"address": "127.0.0.1:4103", "release": "2", "state": "healthy"});
        json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        serde_json::from_value(json).unwrap()
    }

    fn spec() -> Spec {
        Spec {
            name: "checkout-3".to_owned(),
            kind: crate::state_file::Kind::Page,
            page: Some("checkout".to_owned()),
            address: "127.0.0.1:4103".parse().unwrap(),
            program: "checkout".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            sockets: Default::default(),
        }
    }

    #[test]
    fn an_instance_is_let_in_when_it_is_healthy_with_its_release_and_gated() {
        for (extra, expected) in [
            (serde_json::json!({}), "seen"),
            (serde_json::json!({"state": "joining"}), "not yet: checkout-3 is joining"),
            (serde_json::json!({"state": "unhealthy", "problem": "503"}), "not yet: checkout-3 is unhealthy: 503"),
            (serde_json::json!({"release": null}), "not yet: checkout-3 is healthy"),
            (serde_json::json!({"release": "1"}), "never: checkout-3 is release 1, and the first of the new ones is 2"),
            (
                serde_json::json!({"state": "joining", "refused": "release 2: /assets/a.css is missing"}),
                "never: the proxy does not let checkout-3 in: release 2: /assets/a.css is missing",
            ),
            (serde_json::json!({"ungated": true}), "never: the proxy let checkout-3 in without its assets"),
        ] {
            let told = match is_let_in(&spec(), Some(&instance(extra)), "2") {
                Look::Seen => "seen".to_owned(),
                Look::NotYet(reason) => format!("not yet: {reason}"),
                Look::Never(reason) => format!("never: {reason}"),
            };
            assert_eq!(told, expected);
        }
        assert!(matches!(is_let_in(&spec(), None, "2"), Look::NotYet(_)));
    }
}
