//! How long answers take at a constant rate, by oha, with what a late request makes later ones wait for counted too.

use crate::error::Error;
use crate::ground::Ground;
use crate::peers::Peer;
use crate::scenarios::PRIVATE_PAGE;
use crate::statistics::Spread;
use serde::Serialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

pub(crate) const RATE: u32 = 2000;
const SECONDS: u32 = 2;
/// Of 4,000 requests in a round 40 are above its 99th percentile, and 64 are the first on their connection: one round says little.
const ROUNDS: usize = 7;
/// What oha says of requests that are under way when its time is over.
const AT_THE_END: &str = "aborted due to deadline";
/// The name of the page itself, asked with nothing in between.
pub(crate) const DIRECT: &str = "direct";

/// Latencies of one peer, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) peer: String,
    pub(crate) p50: Spread,
    pub(crate) p99: Spread,
    /// Above that of the page asked directly, round by round.
    pub(crate) added_p99: Spread,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Percentiles {
    p50: f64,
    p99: f64,
}

/// Measures the page itself and every peer, in rounds.
pub(crate) async fn run(ground: &Ground, peers: &[Peer], oha: &Path) -> Result<Vec<Latency>, Error> {
    let direct = ground.instance_for(PRIVATE_PAGE).ok_or(Error::NoAsset("latency"))?;
    let others = peers.iter().map(|peer| (peer.kind.name(), peer.address));
    let places: Vec<(&str, SocketAddr)> = [(DIRECT, direct.address)].into_iter().chain(others).collect();
    let mut rounds: Vec<Vec<Percentiles>> = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Vec::new();
        for (name, at) in &places {
            let measured = measure(oha, *at).await;
            round.push(measured.map_err(|reason| Error::Measurement {
                scenario: format!("{RATE} requests/s"),
                peer: (*name).to_owned(),
                reason,
            })?);
        }
        rounds.push(round);
    }
    let latencies = places.iter().enumerate().filter_map(|(index, (name, _))| {
        let of = |figure: fn(&Percentiles, &Percentiles) -> f64| {
            Spread::of(rounds.iter().map(|round| figure(&round[index], &round[0])))
        };
        Some(Latency {
            peer: (*name).to_owned(),
            p50: of(|own, _| own.p50)?,
            p99: of(|own, _| own.p99)?,
            added_p99: of(|own, direct| own.p99 - direct.p99)?,
        })
    });
    Ok(latencies.collect())
}

async fn measure(oha: &Path, at: SocketAddr) -> Result<Percentiles, String> {
    let mut command = Command::new(oha);
    command.args(["-q", &RATE.to_string(), "-c", "64", "-z", &format!("{SECONDS}s"), "--latency-correction"]);
    command.args(["--no-tui", "--output-format", "json", "--disable-compression"]);
    command.arg(format!("http://{at}{PRIVATE_PAGE}"));
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let done = done.map_err(|error| format!("oha: {error}"))?;
    let text = String::from_utf8_lossy(&done.stdout);
    percentiles(&text).map_err(|reason| format!("oha: {reason}: {}", String::from_utf8_lossy(&done.stderr)))
}

fn percentiles(text: &str) -> Result<Percentiles, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let object = |name: &str| json[name].as_object().cloned().unwrap_or_default();
    let (counts, errors) = (object("statusCodeDistribution"), object("errorDistribution"));
    if counts.len() != 1 || !counts.contains_key("200") {
        return Err(format!("answers other than 200: {}", Value::Object(counts)));
    }
    if errors.keys().any(|error| error != AT_THE_END) {
        return Err(format!("requests that failed: {}", Value::Object(errors)));
    }
    let millis = |name: &str| {
        let seconds = json["latencyPercentiles"][name].as_f64();
        seconds.map(|seconds| seconds * 1e3).ok_or_else(|| format!("no {name} in its report"))
    };
    Ok(Percentiles { p50: millis("p50")?, p99: millis("p99")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_in_milliseconds_and_failures_are_told() {
        let text = r#"{"latencyPercentiles": {"p50": 0.0005, "p99": 0.002}, "statusCodeDistribution": {"200": 4000}}"#;
        assert_eq!(percentiles(text), Ok(Percentiles { p50: 0.5, p99: 2.0 }));
        let text = r#"{"latencyPercentiles": {}, "statusCodeDistribution": {"200": 4000, "502": 1}}"#;
        assert!(percentiles(text).unwrap_err().contains("\"502\":1"));
        let text = r#"{"statusCodeDistribution": {"200": 1}, "errorDistribution": {"connection refused": 3}}"#;
        assert!(percentiles(text).unwrap_err().contains("refused"));
        assert!(percentiles("").is_err());
    }
}
