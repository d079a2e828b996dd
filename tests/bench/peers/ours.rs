//! Our proxy: one thread, no limit for the one client that asks, and no log line for each request.

use super::{Setup, write};
use crate::error::Error;
use crate::job::{Job, JobPage};
use std::net::SocketAddr;
use std::process::Command;

/// Checks of many instances would be most of what is measured; the peers make none.
const RARELY: usize = 100;

pub(super) fn prepare(setup: &Setup, command: &mut Command) -> Result<(), Error> {
    let file = setup.folder.join("proxy.toml");
    write(&file, &proxy_file(setup.job, setup.listen))?;
    write_pages(setup)?;
    command.arg("--config").arg(file).env("PAGEFLEET_LOG", "warn");
    Ok(())
}

/// Writes the page files; those that are there are replaced.
pub(super) fn write_pages(setup: &Setup) -> Result<(), Error> {
    let folder = setup.folder.join("pages");
    std::fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
    for page in &setup.job.pages {
        let (file, text) = (folder.join(format!("{}.toml", page.name)), page_file(page));
        // What stays the same is not touched: it would be read again.
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            write(&file, &text)?;
        }
    }
    Ok(())
}

fn proxy_file(job: &Job, listen: SocketAddr) -> String {
    let mut text = format!(
        "listen = [\"{listen}\"]\npages = \"pages\"\nfallback_page = \"{}\"\npublic_hosts = [\"127.0.0.1\"]\n\
         threads = 1\nvault = \"{}\"\n\n[client_limit]\nrate = 0\n\n[limits]\nupstream_idle = {}\n",
        job.fallback,
        if job.caching { "vault" } else { "off" },
        job.connections(),
    );
    if !job.caching {
        text += "\n[cache]\nmemory_bytes = 0\nentry_bytes = 0\n";
    }
    if job.pages.iter().map(|page| page.instances.len()).sum::<usize>() > RARELY {
        text += "\n[health]\ninterval = \"60s\"\n";
    }
    text
}

fn page_file(page: &JobPage) -> String {
    let quoted = |all: Vec<String>| all.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ");
    let instances = quoted(page.instances.iter().map(SocketAddr::to_string).collect());
    let manifest = if page.has_manifest { "" } else { "manifest = false\n" };
    format!("routes = [{}]\ninstances = [{instances}]\n{manifest}", quoted(page.routes.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::shop;

    #[test]
    fn one_thread_without_a_client_limit_and_with_the_vault() {
        let text = proxy_file(&shop(true), "127.0.0.1:8080".parse().unwrap());
        for line in ["threads = 1", "rate = 0", "vault = \"vault\"", "fallback_page = \"frontpage\""] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("[cache]") && !text.contains("[health]"));
    }

    #[test]
    fn without_caching_neither_the_vault_nor_the_page_cache_is_on() {
        let text = proxy_file(&shop(false), "127.0.0.1:8080".parse().unwrap());
        assert!(text.contains("vault = \"off\"") && text.contains("memory_bytes = 0"));
    }

    #[test]
    fn a_page_file_has_routes_and_instances() {
        let text = page_file(&shop(true).pages[0]);
        let expected = "routes = [\"/checkout\", \"/checkout/{*rest}\"]\ninstances = [\"127.0.0.1:4101\"]\n";
        assert_eq!(text, expected);
    }
}
