//! The page that no cache keeps, while its instances change several times a second: our page file is rewritten, nginx's
//! configuration is and nginx told so. Failures are counted, not forbidden.

use crate::error::Error;
use crate::ground::{Ground, Instance};
use crate::job::Job;
use crate::peers::{Kind, Peer};
use crate::probe::Ask;
use crate::rounds::{Cell, Effort, Outcome};
use crate::scenarios::{PRIVATE_PAGE, start_all};
use std::time::Duration;

const KINDS: [Kind; 2] = [Kind::Pagefleet, Kind::Nginx];
/// Between two changes.
const PACE: Duration = Duration::from_millis(250);

/// Measures both.
pub(crate) async fn run(ground: &Ground, effort: Effort) -> Result<Outcome, Error> {
    let instances = three_instances(ground).await?;
    let [a, b, c] = [0, 1, 2].map(|index: usize| instances[index].address);
    let mut first = ground.shop(true).await?;
    let mut second = first.clone();
    for (job, list) in [(&mut first, vec![a, b]), (&mut second, vec![b, c])] {
        for page in job.pages.iter_mut().filter(|page| page.name == instances[0].page.name) {
            page.instances.clone_from(&list);
        }
    }
    let peers = start_all(ground, (&KINDS, "rollout"), &first).await?;
    let expected = ground.answer(&instances[0], &Ask::plain(PRIVATE_PAGE)).await?.expected();
    let mut measured: Vec<_> = peers.iter().map(|peer| (peer.kind, Vec::new())).collect();
    for round in 0..=effort.rounds {
        for (index, peer) in peers.iter().enumerate() {
            let cell = Cell::new(peer, vec![Ask::plain(PRIVATE_PAGE)], vec![expected.clone()]);
            let wrong = |reason| Error::Measurement {
                scenario: "during_rollout".to_owned(),
                peer: peer.kind.name().to_owned(),
                reason,
            };
            cell.check(ground).await.map_err(wrong)?;
            let (sample, _) = tokio::select! {
                sample = cell.sample(ground, 1, effort.seconds) => sample.map_err(wrong)?,
                error = keep_changing(peer, [&second, &first]) => return Err(error),
            };
            // The first round warms up.
            if round > 0 {
                measured[index].1.push(sample);
            }
        }
    }
    let what = format!("GET {PRIVATE_PAGE} while its instances change {} times a second", 1000 / PACE.as_millis());
    Ok(Outcome { scenario: "during_rollout".to_owned(), what, requests_per_unit: 1, peers: measured })
}

/// The page's instance and two more that are ready.
async fn three_instances(ground: &Ground) -> Result<[Instance; 3], Error> {
    let page = ground.instance_for(PRIVATE_PAGE).ok_or(Error::NoAsset("during_rollout"))?;
    let mut three =
        [ground.start_page(&page.page, 2)?, ground.start_page(&page.page, 3)?, ground.start_page(&page.page, 4)?];
    for instance in &mut three {
        instance.server.until_ready(&ground.client, &format!("http://{}/health/ready", instance.address)).await?;
    }
    Ok(three)
}

/// Goes on until it is dropped, or fails.
async fn keep_changing(peer: &Peer, jobs: [&Job; 2]) -> Error {
    for job in jobs.iter().cycle() {
        tokio::time::sleep(PACE).await;
        if let Err(error) = peer.change(job) {
            return error;
        }
    }
    unreachable!("a cycle of two does not end")
}
