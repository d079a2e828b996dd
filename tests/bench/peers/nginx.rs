//! nginx: one worker, connections to pages kept, answers cached in files that are sent by `sendfile`. Assets that compress
//! are compressed once: the cache asks an inner server, which does it, for each coding.

use super::Setup;
use crate::error::Error;
use crate::job::{Job, JobPage};
use crate::pages::Paths;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Where Debian's `libnginx-mod-http-brotli-filter` is.
const BROTLI: &str = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so";
const TYPES: &str = "text/css text/javascript application/javascript image/svg+xml application/json";

const HTTP: &str = "\
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  open_file_cache max=10000 inactive=1h;
  open_file_cache_valid 1h;
  open_file_cache_min_uses 1;
  proxy_http_version 1.1;
  proxy_buffer_size 16k;
  proxy_buffers 8 16k;
  map_hash_bucket_size 256;
  map_hash_max_size 8192;
  proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
  proxy_cache_background_update on;
  proxy_cache_lock on;
  proxy_cache_revalidate on;
";

const HEADERS: &str = "\
    proxy_set_header Host $http_host;
    proxy_set_header Connection \"\";
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
";

pub(super) fn prepare(setup: &Setup, command: &mut Command) -> Result<(), Error> {
    write(setup)?;
    command.args(["-e", "stderr", "-c"]).arg(setup.folder.join("nginx.conf"));
    Ok(())
}

/// Writes the configuration; a HUP makes nginx read it again.
pub(super) fn write(setup: &Setup) -> Result<(), Error> {
    let brotli = Path::new(BROTLI).exists();
    super::write(&setup.folder.join("nginx.conf"), &config(setup, brotli))
}

fn config(setup: &Setup, brotli: bool) -> String {
    let (job, folder) = (setup.job, setup.folder.display());
    let module = if brotli { format!("load_module {BROTLI};\n") } else { String::new() };
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let bodies: String = bodies.iter().map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n")).collect();
    format!(
        "daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr crit;\n{user}{module}\
         events {{\n  worker_connections 16384;\n}}\nhttp {{\n{HTTP}{bodies}\
         \x20 proxy_cache_path {folder}/cache levels=1:2 keys_zone=site:10m max_size=256m inactive=1d use_temp_path=off;\n\
         {}{}{}{}}}\n",
        upstreams(job),
        maps(job, brotli),
        site(setup),
        if job.caching { encoder(setup, brotli) } else { String::new() },
    )
}

fn upstreams(job: &Job) -> String {
    let mut text = String::new();
    for page in &job.pages {
        let servers: String = page.instances.iter().map(|instance| format!("server {instance}; ")).collect();
        let kept = if job.pages.len() > 100 { 8 } else { 128 };
        let long = "keepalive_requests 1000000000; keepalive_time 1d; keepalive_timeout 1h;";
        let _ = writeln!(text, "  upstream {} {{ {servers}keepalive {kept}; {long} }}", page.name);
    }
    text
}

/// Which page a Referer names, and which coding a client gets.
fn maps(job: &Job, brotli: bool) -> String {
    let mut text = format!("  map $http_referer $asset_page {{\n    default {};\n", job.fallback);
    for (page, segment) in job.by_referer() {
        let _ = writeln!(text, "    \"~^https?://127\\.0\\.0\\.1(?::[0-9]+)?/{segment}(?:[/?]|$)\" {};", page.name);
    }
    let best = if brotli { "    \"~\\bbr\\b\" br;\n" } else { "" };
    // What does not compress is kept once, whoever asks.
    let _ = write!(
        text,
        "  }}\n  map $http_accept_encoding $accepted {{\n    default \"\";\n{best}    \"~\\bgzip\\b\" gzip;\n  }}\n\
         \x20 map $uri $coding {{\n    default \"\";\n    \"~\\.(?:css|js|svg|json)$\" $accepted;\n  }}\n"
    );
    text
}

fn site(setup: &Setup) -> String {
    let (job, folder) = (setup.job, setup.folder.display());
    let mut text = format!("  server {{\n    listen {} backlog=4096;\n{HEADERS}", setup.listen);
    for page in &job.pages {
        for paths in page.paths() {
            let place = match paths {
                Paths::One(path) => format!("= {path}"),
                Paths::Below(prefix) => prefix,
            };
            let _ = writeln!(text, "    location {place} {{ proxy_pass http://{};{} }}", page.name, cached(job, page));
        }
    }
    if job.caching {
        let _ = write!(
            text,
            "    location /assets/ {{\n      proxy_pass http://unix:{folder}/encoder.sock;\n      proxy_cache site;\n\
             \x20     proxy_cache_key $uri$coding;\n      proxy_ignore_headers Vary;\n\
             {HEADERS}    proxy_set_header Accept-Encoding $coding;\n    }}\n"
        );
    } else {
        text += "    location /assets/ { proxy_pass http://$asset_page; }\n";
    }
    text + "    location / { return 404; }\n  }\n"
}

fn cached(job: &Job, page: &JobPage) -> &'static str {
    match job.caching && page.is_public {
        true => {
            " proxy_cache site; proxy_cache_key $http_host$request_uri; \
             proxy_cache_bypass $cookie_session $cookie_basket $http_authorization; \
             proxy_no_cache $cookie_session $cookie_basket $http_authorization;"
        }
        false => "",
    }
}

/// Behind the cache: asks the page that the Referer names, and compresses.
fn encoder(setup: &Setup, brotli: bool) -> String {
    let folder = setup.folder.display();
    let brotli = match brotli {
        true => format!("    brotli on;\n    brotli_comp_level 11;\n    brotli_types {TYPES};\n"),
        false => String::new(),
    };
    let names = ["For", "Host", "Proto"].map(|name| {
        let variable = name.to_lowercase();
        format!("    proxy_set_header X-Forwarded-{name} $http_x_forwarded_{variable};\n")
    });
    format!(
        "  server {{\n    listen unix:{folder}/encoder.sock;\n    gzip on;\n    gzip_comp_level 9;\n    gzip_vary on;\n\
         \x20   gzip_proxied any;\n    gzip_types {TYPES};\n{brotli}    proxy_set_header Host $http_host;\n\
         \x20   proxy_set_header Connection \"\";\n{}    location / {{ proxy_pass http://$asset_page; }}\n  }}\n",
        names.concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::shop;

    fn text(caching: bool) -> String {
        let (job, folder) = (shop(caching), Path::new("/run/bench"));
        config(&Setup { job: &job, listen: "127.0.0.1:8080".parse().unwrap(), folder }, true)
    }

    #[test]
    fn it_routes_by_path_and_assets_by_referer() {
        let text = text(false);
        for part in [
            "worker_processes 1;",
            "location = /checkout { proxy_pass http://checkout; }",
            "location /checkout/ { proxy_pass http://checkout; }",
            "location /products/ { proxy_pass http://frontpage; }",
            "location /assets/ { proxy_pass http://$asset_page; }",
            "/checkout(?:[/?]|$)\" checkout;",
            "upstream checkout { server 127.0.0.1:4101; keepalive 128;",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("proxy_cache site"));
    }

    #[test]
    fn public_pages_and_assets_are_cached_and_no_others() {
        let text = text(true);
        assert!(text.contains("location = / { proxy_pass http://frontpage; proxy_cache site;"));
        assert!(text.contains("location = /checkout { proxy_pass http://checkout; }"));
        assert!(text.contains("proxy_cache_key $uri$coding;") && text.contains("brotli_comp_level 11"));
        assert!(
            text.contains("sendfile on;") && text.contains("open_file_cache max") && text.contains("access_log off")
        );
    }
}
