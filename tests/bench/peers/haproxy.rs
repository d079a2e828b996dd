//! HAProxy: one thread, the page looked up in a map by the first segment of the path, answers kept in its cache.

use super::{Setup, write};
use crate::error::Error;
use crate::job::Job;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const GLOBAL: &str = "\
global
  nbthread 1
  maxconn 12000
  no strict-limits
  tune.pool-low-fd-ratio 60
  tune.pool-high-fd-ratio 80
defaults
  mode http
  timeout connect 1s
  timeout client 75s
  timeout server 60s
  timeout http-keep-alive 75s
  http-reuse always
  option forwardfor
  default-server pool-purge-delay 10m
";

/// It caches nothing with a `Vary` that it does not know; what is asked for with that header passes the cache by, so the
/// answer is kept without it and sent with it. Of a 304 it tells the length that the body would have: wrk waits for that.
const CACHE: &str = "\
  acl public var(txn.page) -m str FALLBACK
  acl known req.cook(session) -m found
  acl known req.cook(basket) -m found
  acl known req.hdr(authorization) -m found
  acl fragment req.hdr(x-fragment) -m found
  http-request set-var(txn.cached) bool(true) if asset or public !known !fragment
  http-request set-var(txn.varies) bool(true) if public !asset
  http-request cache-use site if { var(txn.cached) -m bool }
  http-response del-header vary if { res.hdr(vary) -m str x-fragment }
  http-response cache-store site if { var(txn.cached) -m bool }
  http-after-response set-header vary x-fragment if { var(txn.varies) -m bool }
  http-after-response del-header content-length if { status 304 }
";

pub(super) fn prepare(setup: &Setup, command: &mut Command) -> Result<(), Error> {
    write(&setup.folder.join("pages.map"), &map(setup.job))?;
    let file = setup.folder.join("haproxy.cfg");
    write(&file, &config(setup))?;
    command.args(["-db", "-f"]).arg(file);
    Ok(())
}

fn map(job: &Job) -> String {
    let mut text = String::new();
    for page in &job.pages {
        for segment in page.first_segments().iter().filter(|segment| !segment.is_empty()) {
            let _ = writeln!(text, "{segment} {}", page.name);
        }
    }
    text
}

fn config(setup: &Setup) -> String {
    let (job, map) = (setup.job, setup.folder.join("pages.map"));
    let mut text = GLOBAL.to_owned();
    if job.caching {
        text += "cache site\n  total-max-size 128\n  max-object-size 4000000\n  max-age 31536000\n  process-vary on\n";
    }
    text += &frontend(setup, &map);
    for page in &job.pages {
        let _ = writeln!(text, "backend {}", page.name);
        for (number, instance) in page.instances.iter().enumerate() {
            let _ = writeln!(text, "  server {number} {instance}");
        }
    }
    text + "backend nobody\n  http-request return status 404\n"
}

fn frontend(setup: &Setup, map: &Path) -> String {
    let (fallback, map) = (&setup.job.fallback, map.display());
    let cache = if setup.job.caching { CACHE.replace("FALLBACK", fallback) } else { String::new() };
    format!(
        "frontend site\n  bind {listen} backlog 4096\n  http-request set-header X-Forwarded-Proto http\n\
         \x20 http-request set-header X-Forwarded-Host %[req.hdr(host)]\n\
         \x20 http-request set-var(txn.page) path,field(2,/),map_str({map},nobody)\n\
         \x20 http-request set-var(txn.page) str({fallback}) if {{ path / }}\n\
         \x20 acl asset path_beg /assets/\n  acl ours hdr_beg(referer) http://127.0.0.1\n\
         \x20 http-request set-var(txn.page) str({fallback}) if asset\n\
         \x20 http-request set-var(txn.page) req.hdr(referer),field(1,?),field(4,/),map_str({map},{fallback}) if asset ours\n\
         {cache}  use_backend %[var(txn.page)]\n  default_backend nobody\n",
        listen = setup.listen,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::shop;

    fn text(caching: bool) -> String {
        let job = shop(caching);
        let listen = "127.0.0.1:8080".parse().unwrap();
        config(&Setup { job: &job, listen, folder: Path::new("/run/bench") })
    }

    #[test]
    fn it_routes_by_the_first_segment_and_assets_by_that_of_the_referer() {
        assert_eq!(map(&shop(true)), "checkout checkout\nproducts frontpage\n");
        let text = text(false);
        assert!(text.contains("nbthread 1\n") && text.contains("http-reuse always"));
        assert!(text.contains("path,field(2,/),map_str(/run/bench/pages.map,nobody)"));
        assert!(
            text.contains("req.hdr(referer),field(1,?),field(4,/),map_str(/run/bench/pages.map,frontpage) if asset")
        );
        assert!(text.contains("backend checkout\n  server 0 127.0.0.1:4101\n"));
        assert!(!text.contains("cache-store"));
    }

    #[test]
    fn what_belongs_to_a_visitor_passes_its_cache_by() {
        let text = text(true);
        assert!(text.contains("process-vary on") && text.contains("cache-store site if"));
        assert!(text.contains("bool(true) if asset or public !known !fragment"));
    }
}
