//! What a page BFF is: the size of its program, its memory once it has answered, how soon after its start it answers, and
//! what a page costs beside a hello-world.

use crate::error::Error;
use crate::ground::Ground;
use crate::load::Load;
use crate::probe::{self, Ask, Expected};
use crate::server::{Server, free_addresses};
use crate::statistics::Spread;
use crate::usage::{self, Memory};
use serde::Serialize;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

const STARTS: usize = 15;
const CONNECTIONS: usize = 16;
const ROUNDS: usize = 5;
/// Before a start is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The figures of one page.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) page: String,
    /// What was asked for.
    pub(crate) path: String,
    pub(crate) answer_bytes: usize,
    pub(crate) program_bytes: u64,
    pub(crate) idle: Memory,
    pub(crate) cold_start_millis: Spread,
    pub(crate) cpu_micros: Spread,
    pub(crate) over_hello: Spread,
}

/// Something to load, and what it used.
struct Loaded {
    pid: u32,
    at: SocketAddr,
    ask: Ask,
    micros: Vec<f64>,
}

/// Measures every page, and a hello-world beside them.
pub(crate) async fn run(ground: &Ground) -> Result<Vec<Figures>, Error> {
    let hello = start_hello(ground).await?;
    let mut loaded = vec![Loaded { pid: hello.1.pid(), at: hello.0, ask: Ask::plain("/"), micros: Vec::new() }];
    let (mut fresh, mut figures) = (Vec::new(), Vec::new());
    for page in &ground.pages {
        let ask = Ask::plain(&view(ground, page).await?);
        let mut instance = ground.start_page(&page.page, 5)?;
        instance.server.until_ready(&ground.client, &format!("http://{}{}", instance.address, ask.path)).await?;
        let answer = ground.answer(&instance, &ask).await?;
        let program = ground.tools.ours(&page.page.name);
        figures.push(Figures {
            page: page.page.name.clone(),
            path: ask.path.clone(),
            answer_bytes: answer.body.len(),
            program_bytes: std::fs::metadata(&program).map_err(Error::at(&program))?.len(),
            idle: usage::memory(instance.server.pid())?,
            cold_start_millis: cold_starts(ground, page, &ask.path)?,
            cpu_micros: Spread { median: 0.0, min: 0.0, max: 0.0 },
            over_hello: Spread { median: 0.0, min: 0.0, max: 0.0 },
        });
        loaded.push(Loaded { pid: instance.server.pid(), at: instance.address, ask, micros: Vec::new() });
        fresh.push(instance);
    }
    for round in 0..=ROUNDS {
        for one in &mut loaded {
            let micros = measure(ground, one).await?;
            // The first round warms up.
            if round > 0 {
                one.micros.push(micros);
            }
        }
    }
    let (hello, pages) = loaded.split_at(1);
    for (figures, page) in figures.iter_mut().zip(pages) {
        let ratios = page.micros.iter().zip(&hello[0].micros).map(|(own, hello)| own / hello);
        figures.cpu_micros = Spread::of(page.micros.iter().copied()).unwrap_or(figures.cpu_micros);
        figures.over_hello = Spread::of(ratios).unwrap_or(figures.over_hello);
    }
    Ok(figures)
}

/// The first path of a page that is answered with a view, for somebody whom nobody knows.
async fn view(ground: &Ground, page: &crate::ground::Instance) -> Result<String, Error> {
    let first = page.page.routes.iter().find(|route| !route.contains('{')).cloned().unwrap_or_default();
    let answer = ground.answer(page, &Ask::plain(&first)).await?;
    Ok(Some(answer.header("location").to_owned()).filter(|location| !location.is_empty()).unwrap_or(first))
}

async fn start_hello(ground: &Ground) -> Result<(SocketAddr, Server), Error> {
    let [address] = free_addresses()?;
    let mut command = Command::new(ground.tools.ours("hello"));
    let mut server = Server::start("hello", command.args(["--listen", &address.to_string()]), &ground.folder(""))?;
    server.until_ready(&ground.client, &format!("http://{address}/")).await?;
    Ok((address, server))
}

async fn measure(ground: &Ground, one: &Loaded) -> Result<f64, Error> {
    let wrong =
        |reason: String| Error::Measurement { scenario: "CPU per page".to_owned(), peer: one.ask.path.clone(), reason };
    let answer = probe::ask(&ground.client, one.at, &one.ask).await.map_err(wrong)?;
    Expected { status: 200, body: None }.check(&answer).map_err(wrong)?;
    let asks = std::slice::from_ref(&one.ask);
    let load = Load { at: one.at, asks, connections: CONNECTIONS, seconds: 1 };
    let before = usage::cpu(one.pid)?;
    let counted = load.run(&ground.tools.wrk, &ground.folder("")).await.map_err(wrong)?;
    let used = usage::cpu(one.pid)?.saturating_sub(before);
    match counted.failures() {
        0 => Ok(used.as_secs_f64() * 1e6 / counted.requests as f64),
        failures => Err(wrong(format!("{failures} of {} requests failed", counted.requests))),
    }
}

/// From the exec to the end of the first answer.
fn cold_starts(ground: &Ground, page: &crate::ground::Instance, path: &str) -> Result<Spread, Error> {
    let mut millis = Vec::new();
    for number in 0..STARTS {
        let started = Instant::now();
        let instance = ground.start_page(&page.page, 100 + number)?;
        while !answers(instance.address, path) {
            if started.elapsed() > PATIENCE {
                let reason = "never answered after a start".to_owned();
                return Err(Error::Answer { place: page.page.name.clone(), path: path.to_owned(), reason });
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        millis.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Spread::of(millis).ok_or_else(|| Error::System(std::io::ErrorKind::NotFound.into()))
}

fn answers(at: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(at) else { return false };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let whole = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer));
    whole.is_ok() && answer.starts_with(b"HTTP/1.1 200 ")
}
