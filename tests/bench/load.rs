//! A closed loop of requests by wrk: the script that makes them, and what wrk counted.

use crate::probe::Ask;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// Before the line that our script prints at the end.
const MARK: &str = "pagefleet-bench ";

/// Requests over and over, on so many connections, for so many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) at: SocketAddr,
    pub(crate) asks: &'a [Ask],
    pub(crate) connections: usize,
    pub(crate) seconds: u64,
}

/// What wrk counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) micros: u64,
    /// Connections that broke or could not be had, and answers that did not come in time.
    pub(crate) broken: u64,
    /// Answers of 400 and above.
    pub(crate) refused: u64,
}

impl Counted {
    pub(crate) fn failures(&self) -> u64 {
        self.broken + self.refused
    }
}

impl Load<'_> {
    /// Runs it to its end; `folder` is where the script is kept meanwhile.
    pub(crate) async fn run(&self, wrk: &Path, folder: &Path) -> Result<Counted, String> {
        let file = folder.join("load.lua");
        std::fs::write(&file, script(self.at, self.asks)).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut command = Command::new(wrk);
        command.arg("-t1").arg(format!("-c{}", self.connections)).arg(format!("-d{}s", self.seconds));
        command.arg("-s").arg(&file).arg(format!("http://{}/", self.at)).stdin(Stdio::null()).kill_on_drop(true);
        let done = command.output().await.map_err(|error| format!("wrk: {error}"))?;
        let text = String::from_utf8_lossy(&done.stdout);
        counted(&text).ok_or_else(|| format!("wrk: {text}{}", String::from_utf8_lossy(&done.stderr)))
    }
}

/// The requests are made once; one alone is wrk's own, which asks the script nothing.
fn script(at: SocketAddr, asks: &[Ask]) -> String {
    let mut text = String::new();
    match asks {
        [one] => {
            let _ = writeln!(text, "wrk.path = {:?}", one.path);
            for (name, value) in &one.headers {
                let _ = writeln!(text, "wrk.headers[{name:?}] = {value:?}");
            }
        }
        all => {
            text += "local asks = {\n";
            for ask in all {
                let _ = writeln!(text, "  {:?},", whole(at, ask));
            }
            text += "}\nlocal at = 0\nfunction request()\n  at = at % #asks + 1\n  return asks[at]\nend\n";
        }
    }
    let _ = writeln!(
        text,
        "function done(all)\n  local e = all.errors\n  local broken = e.connect + e.read + e.write + e.timeout\n  \
         print(string.format(\"{MARK}%d %d %d %d\", all.requests, all.duration, broken, e.status))\nend"
    );
    text
}

fn whole(at: SocketAddr, ask: &Ask) -> String {
    let headers: String = ask.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {} HTTP/1.1\r\nHost: {at}\r\n{headers}\r\n", ask.path)
}

fn counted(text: &str) -> Option<Counted> {
    let line = text.lines().find_map(|line| line.strip_prefix(MARK))?;
    let numbers: Vec<u64> = line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [requests, micros, broken, refused] = numbers.try_into().ok()?;
    Some(Counted { requests, micros, broken, refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_counted_is_read_from_our_own_line() {
        let text = "Running 1s test @ http://127.0.0.1:1/\n  Latency 2ms\npagefleet-bench 9817 1000231 1 2\n";
        let expected = Counted { requests: 9817, micros: 1_000_231, broken: 1, refused: 2 };
        assert_eq!(counted(text), Some(expected));
        assert_eq!(expected.failures(), 3);
        assert_eq!(counted("unable to connect to 127.0.0.1:1 Connection refused\n"), None);
    }

    #[test]
    fn one_request_is_left_to_wrk_and_several_are_made_in_turn() {
        let at = "127.0.0.1:8080".parse().unwrap();
        let one = Ask::plain("/").with("accept-encoding", "br");
        let text = script(at, std::slice::from_ref(&one));
        assert!(text.contains("wrk.path = \"/\"\nwrk.headers[\"accept-encoding\"] = \"br\"\n"));
        assert!(!text.contains("function request"));
        let text = script(at, &[one, Ask::plain("/checkout").with("connection", "close")]);
        let second = r#""GET /checkout HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nconnection: close\r\n\r\n","#;
        assert!(text.contains(second) && text.contains("function request"), "{text}");
    }
}
