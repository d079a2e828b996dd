//! What a fleet consists of: each child with its program, its address and its environment, all known before the first
//! is started.

use crate::builder::{PROXY, Programs};
use crate::error::Error;
use crate::folder::Folder;
use crate::layout::Layout;
use crate::sockets::Sockets;
use crate::state_file::Kind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Of our own settings, those that mean something else to a child, and so are not handed down.
const NOT_INHERITED: [&str; 4] = ["PAGEFLEET_LISTEN", "PAGEFLEET_ADMIN", "PAGEFLEET_STANDALONE", "PAGEFLEET_CHECK"];

/// One child to start, as often as needed.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Its name: in messages, of its log, of its run file.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// Of which page it is an instance.
    pub(crate) page: Option<String>,
    /// Where it will listen.
    pub(crate) address: SocketAddr,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// What its environment has beside ours.
    pub(crate) environment: Vec<(String, String)>,
    /// What it gets to listen on; for a child that binds nothing itself.
    pub(crate) sockets: Sockets,
}

/// A whole fleet, in the order of its start.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One of each service.
    pub(crate) services: Vec<Spec>,
    /// The instances of each page, `checkout-1` and so on.
    pub(crate) pages: Vec<Spec>,
    /// The proxy.
    pub(crate) proxy: Spec,
}

/// What the one who starts the fleet decides.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The proxy's address.
    pub(crate) listen: SocketAddr,
    /// Its admin address.
    pub(crate) admin: SocketAddr,
    /// Its listening sockets, at these two.
    pub(crate) sockets: Sockets,
    /// Instances of each page.
    pub(crate) instances: usize,
    /// `fingerprinted` or `stable`.
    pub(crate) asset_urls: &'static str,
    /// Whether the proxy keeps assets in its vault.
    pub(crate) vault: bool,
}

impl Plan {
    /// Gives each child its program and a free address.
    pub(crate) fn new(layout: &Layout, programs: &Programs, folder: &Folder, wanted: &Wanted) -> Result<Self, Error> {
        let children = layout.services.len() + layout.pages.len() * wanted.instances;
        let mut free = crate::address::pick(children, &[wanted.listen, wanted.admin])?.into_iter();
        let mut server = |name: String, program: &str, kind: Kind| {
            let address = free.next().expect("as many addresses were picked as there are children");
            let environment = vec![("PAGEFLEET_DATA".to_owned(), folder.data(program).display().to_string())];
            let (program, sockets) = (programs.named(program)?, Sockets::default());
            let arguments = listen_at(address);
            Ok::<_, Error>(Spec { name, kind, page: None, address, program, arguments, environment, sockets })
        };
        let mut services = Vec::new();
        for name in &layout.services {
            services.push(server(name.clone(), name, Kind::Service)?);
        }
        let mut pages = Vec::new();
        for page in &layout.pages {
            for instance in 1..=wanted.instances {
                let mut spec = server(instance_name(&page.name, instance), &page.name, Kind::Page)?;
                spec.page = Some(page.name.clone());
                spec.environment.push(("PAGEFLEET_ASSET_URLS".to_owned(), wanted.asset_urls.to_owned()));
                pages.push(spec);
            }
        }
        let addresses: Vec<_> = services.iter().map(service_variable).collect();
        for child in services.iter_mut().chain(&mut pages) {
            child.environment.extend(addresses.iter().cloned());
        }
        let proxy = Spec {
            name: "proxy".to_owned(),
            kind: Kind::Proxy,
            page: None,
            address: wanted.listen,
            program: programs.named(PROXY)?,
            arguments: vec!["--config".to_owned(), folder.proxy_file().display().to_string()],
            environment: Vec::new(),
            sockets: wanted.sockets.clone(),
        };
        Ok(Self { services, pages, proxy })
    }

    /// Where the instances of a page will listen.
    pub(crate) fn instances_of(&self, page: &str) -> Vec<SocketAddr> {
        self.specs_of(page).map(|spec| spec.address).collect()
    }

    /// The instances of a page.
    pub(crate) fn specs_of(&self, page: &str) -> impl Iterator<Item = &Spec> {
        self.pages.iter().filter(move |spec| spec.page.as_deref() == Some(page))
    }
}

impl Spec {
    /// Another instance of the same page, which runs `program` at `address`.
    pub(crate) fn beside(&self, number: usize, address: SocketAddr, program: &Path) -> Self {
        let page = self.page.as_deref().unwrap_or(&self.name);
        let (name, program) = (instance_name(page, number), program.to_owned());
        Self { name, address, program, arguments: listen_at(address), ..self.clone() }
    }

    /// The command that starts it.
    pub(crate) fn command(&self) -> std::io::Result<Command> {
        let mut command = Command::new(&self.program);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        if std::env::var_os("PAGEFLEET_SETTLE").is_none() {
            // The settle time is for traffic that still comes while a cluster learns of the end; here all end together.
            command.env("PAGEFLEET_SETTLE", "0s");
        }
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        self.sockets.pass_to(&mut command)?;
        Ok(command)
    }
}

fn instance_name(page: &str, number: usize) -> String {
    format!("{page}-{number}")
}

fn listen_at(address: SocketAddr) -> Vec<String> {
    vec!["--listen".to_owned(), address.to_string()]
}

fn service_variable(service: &Spec) -> (String, String) {
    let name = service.name.to_uppercase().replace('-', "_");
    (format!("PAGEFLEET_SERVICE_{name}"), format!("http://{}", service.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Page;
    use std::path::Path;

    fn plan(instances: usize) -> Plan {
        let page = |name: &str| Page { name: name.to_owned(), routes: vec![format!("/{name}")] };
        let layout = Layout {
            root: PathBuf::from("/shop"),
            pages: vec![page("checkout"), page("frontpage")],
            services: vec!["catalog".to_owned(), "gift-cards".to_owned()],
        };
        let programs = Programs::in_folder(
            Path::new("/shop/target/debug"),
            &["catalog", "gift-cards", "checkout", "frontpage", "pagefleet-proxy"],
        );
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
        let wanted = Wanted {
            listen: loopback,
            admin: loopback,
            sockets: Sockets::default(),
            instances,
            asset_urls: "stable",
            vault: true,
        };
        Plan::new(&layout, &programs, &Folder::new(Path::new("/shop")), &wanted).unwrap()
    }

    fn value<'a>(spec: &'a Spec, name: &str) -> &'a str {
        spec.environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    #[test]
    fn everybody_is_told_the_address_of_every_service() {
        let plan = plan(1);
        let gift_cards = format!("http://{}", plan.services[1].address);
        for child in plan.services.iter().chain(&plan.pages) {
            assert_eq!(value(child, "PAGEFLEET_SERVICE_GIFT_CARDS"), gift_cards);
        }
    }

    #[test]
    fn the_instances_of_a_page_share_its_data_and_have_an_address_each() {
        let plan = plan(2);
        let names: Vec<&str> = plan.pages.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["checkout-1", "checkout-2", "frontpage-1", "frontpage-2"]);
        assert_eq!(value(&plan.pages[1], "PAGEFLEET_DATA"), "/shop/.fleet/data/checkout");
        assert_eq!(value(&plan.pages[1], "PAGEFLEET_ASSET_URLS"), "stable");
        let checkout = plan.instances_of("checkout");
        assert_eq!(checkout, [plan.pages[0].address, plan.pages[1].address]);
        assert_ne!(checkout[0], checkout[1]);
    }

    #[test]
    fn an_instance_beside_another_differs_in_name_address_and_program_only() {
        let plan = plan(2);
        let address = "127.0.0.1:4103".parse().unwrap();
        let third = plan.pages[1].beside(3, address, Path::new("/releases/checkout"));
        assert_eq!((third.name.as_str(), third.page.as_deref()), ("checkout-3", Some("checkout")));
        assert_eq!(third.arguments, ["--listen", "127.0.0.1:4103"]);
        assert_eq!(third.program, Path::new("/releases/checkout"));
        assert_eq!(third.environment, plan.pages[1].environment);
    }
}
