//! Varnish: one thread pool, answers kept in memory, assets that compress kept gzipped for who accepts it.

use super::{Setup, write};
use crate::error::Error;
use crate::job::Job;
use crate::pages::Paths;
use std::fmt::Write;
use std::process::Command;

const AFTER: &str = "\
sub vcl_hash {
  if (req.http.x-coding) { hash_data(req.http.x-coding); }
}
sub vcl_backend_response {
  if (bereq.http.x-coding) { set beresp.do_gzip = true; }
}
";

pub(super) fn prepare(setup: &Setup, command: &mut Command) -> Result<(), Error> {
    let file = setup.folder.join("site.vcl");
    write(&file, &config(setup.job))?;
    command.args(["-j", "none", "-F", "-s", "malloc,256m", "-T", "none"]).arg("-f").arg(file);
    command.args(["-a", &setup.listen.to_string()]).arg("-n").arg(setup.folder.join("work"));
    for parameter in ["thread_pools=1", "timeout_idle=75", "listen_depth=4096"] {
        command.args(["-p", parameter]);
    }
    Ok(())
}

fn config(job: &Job) -> String {
    let mut text = "vcl 4.1;\n".to_owned();
    for page in &job.pages {
        // It has one backend for an address; in this job a page has one instance.
        for instance in page.instances.iter().take(1) {
            let (host, port) = (instance.ip(), instance.port());
            let _ = writeln!(text, "backend {} {{ .host = \"{host}\"; .port = \"{port}\"; }}", symbol(&page.name));
        }
    }
    text += "sub vcl_recv {\n  unset req.http.x-coding;\n  set req.http.X-Forwarded-Proto = \"http\";\n  \
             set req.http.X-Forwarded-Host = req.http.host;\n";
    text += &assets(job);
    for page in &job.pages {
        let conditions: Vec<_> = page.paths().iter().map(condition).collect();
        let after = match job.caching && page.is_public {
            true => {
                "if (req.http.Cookie ~ \"(^|; ?)(session|basket)=\" || req.http.Authorization) { return (pass); } return (hash);"
            }
            false => "return (pass);",
        };
        let (condition, backend) = (conditions.join(" || "), symbol(&page.name));
        let _ = writeln!(text, "  if ({condition}) {{ set req.backend_hint = {backend}; {after} }}");
    }
    text + "  return (synth(404));\n}\n" + AFTER
}

fn assets(job: &Job) -> String {
    let mut text =
        format!("  if (req.url ~ \"^/assets/\") {{\n    set req.backend_hint = {};\n", symbol(&job.fallback));
    for (page, segment) in job.by_referer() {
        let _ = writeln!(
            text,
            "    if (req.http.Referer ~ \"^https?://127\\.0\\.0\\.1(:[0-9]+)?/{segment}([/?]|$)\") {{ set req.backend_hint = {}; }}",
            symbol(&page.name)
        );
    }
    text += match job.caching {
        true => {
            "    if (req.http.Accept-Encoding ~ \"gzip\" && req.url ~ \"\\.(css|js|svg)$\") { set req.http.x-coding = \"gzip\"; }\n    \
             unset req.http.Cookie;\n    return (hash);\n"
        }
        false => "    return (pass);\n",
    };
    text + "  }\n"
}

fn condition(paths: &Paths) -> String {
    match paths {
        Paths::One(path) => format!("req.url == \"{path}\" || req.url ~ \"^{path}\\?\""),
        Paths::Below(prefix) => format!("req.url ~ \"^{prefix}\""),
    }
}

/// VCL's names have no dashes at some places where they are subtractions.
fn symbol(page: &str) -> String {
    page.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::shop;

    #[test]
    fn it_routes_by_path_and_assets_by_referer() {
        let text = config(&shop(false));
        assert!(text.contains("backend checkout { .host = \"127.0.0.1\"; .port = \"4101\"; }"));
        assert!(text.contains("/checkout([/?]|$)\") { set req.backend_hint = checkout; }"));
        assert!(text.contains("req.url ~ \"^/products/\") { set req.backend_hint = frontpage; return (pass); }"));
        assert!(!text.contains("return (hash)"));
    }

    #[test]
    fn private_pages_are_passed_and_public_ones_looked_up_unless_somebody_is_known() {
        let text = config(&shop(true));
        assert!(text.contains("{ set req.backend_hint = checkout; return (pass); }"));
        assert!(text.contains("{ set req.backend_hint = frontpage; if (req.http.Cookie ~"));
        assert!(text.contains("set beresp.do_gzip = true;"));
    }
}
