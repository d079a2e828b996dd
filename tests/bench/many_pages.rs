//! A table of many pages with three instances each, all of them one stub process at many loopback addresses; beside it
//! the same with three pages.

use crate::error::Error;
use crate::ground::Ground;
use crate::job::{Job, JobPage};
use crate::peers::Kind;
use crate::probe::{Ask, Expected};
use crate::rounds::{self, Cell, Effort, Outcome};
use crate::scenarios::{scenario, start_all};
use crate::server::{Server, free_addresses};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

const KINDS: [Kind; 4] = [Kind::Pagefleet, Kind::Nginx, Kind::Haproxy, Kind::Envoy];
const INSTANCES: usize = 3;
pub(crate) const FEW: usize = 3;
pub(crate) const MANY: usize = 1000;

/// Measures both tables.
pub(crate) async fn run(ground: &Ground, effort: Effort) -> Result<Vec<Outcome>, Error> {
    let [address] = free_addresses()?;
    let mut command = Command::new(ground.tools.ours("stub-page"));
    command.args(["--page", "stub", "--listen", &format!("0.0.0.0:{}", address.port())]);
    let mut stub = Server::start("stub-page", &mut command, &ground.folder(""))?;
    stub.until_ready(&ground.client, &format!("http://{address}/health/ready")).await?;
    let mut outcomes = Vec::new();
    for count in [FEW, MANY] {
        let job = job(count, address.port());
        let name = format!("many_pages_{count}");
        let peers = start_all(ground, (&KINDS, &name), &job).await?;
        let cells = peers.iter().map(|peer| {
            let asks: Vec<Ask> = (0..count).map(|number| Ask::plain(&format!("/{}", page_name(number)))).collect();
            let expected = asks.iter().map(|_| Expected { status: 200, body: None }).collect();
            Cell::new(peer, asks, expected)
        });
        let what = format!("GET of {count} pages in turn, {INSTANCES} instances each, answers of a few bytes");
        let scenario = scenario(&name, what, 1, cells.collect());
        outcomes.push(rounds::run(&scenario, ground, effort).await?);
    }
    Ok(outcomes)
}

fn page_name(number: usize) -> String {
    format!("page-{number:04}")
}

fn job(count: usize, port: u16) -> Job {
    let pages = (0..count).map(|number| {
        let name = page_name(number);
        JobPage {
            routes: vec![format!("/{name}"), format!("/{name}/{{*rest}}")],
            instances: (0..INSTANCES).map(|instance| address(number * INSTANCES + instance, port)).collect(),
            name,
            is_public: false,
            has_manifest: false,
        }
    });
    let pages: Vec<JobPage> = pages.collect();
    let ready = [0, count / 2, count - 1].map(|number| format!("/{}", page_name(number)));
    Job { fallback: page_name(0), pages, caching: false, ready: ready.to_vec() }
}

/// The addresses from 127.1.0.1 on, 250 to each last byte.
fn address(number: usize, port: u16) -> SocketAddr {
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    SocketAddr::from((Ipv4Addr::new(127, 1, byte(number / 250), byte(number % 250 + 1)), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_instance_has_an_address_of_its_own() {
        let job = job(MANY, 4000);
        let all: BTreeSet<_> = job.pages.iter().flat_map(|page| &page.instances).collect();
        assert_eq!(all.len(), MANY * INSTANCES);
        assert_eq!(job.pages[0].instances[0].to_string(), "127.1.0.1:4000");
        assert_eq!(job.pages[999].instances[2].to_string(), "127.1.11.250:4000");
        assert_eq!(job.connections(), 3064);
    }
}
