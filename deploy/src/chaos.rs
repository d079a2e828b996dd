//! `cargo fleet chaos`: a fleet of its own, visitors who walk through the shop, and faults meanwhile, all drawn from a seed.
//! It holds what visitors were told against what was made, and says so in a report.

mod book;
mod browser;
mod diary;
mod dice;
mod front;
mod ground;
mod html;
mod outage;
mod report;
mod schedule;
mod settle;
mod tally;
mod trouble;
mod visitor;
mod walk;

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::layout::Layout;
use crate::signals::Signals;
use crate::{builder, leftovers, preflight, progress, readiness};
use browser::{Browser, client};
use clap::Args;
use clap::builder::BoolishValueParser;
use diary::Diary;
use ground::Ground;
use jiff::Timestamp;
use report::Report;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use trouble::Trouble;
use visitor::Visitor;

/// The address of those who only watch, and of the one who asks after orders at the end.
const WATCHER: u8 = 9;
/// Between two lines that tell how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// Walks through the shop while processes are killed, stopped, slow and wrong; fails when a visitor's order is.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long faults are made.
    #[arg(long = "for", env = "PAGEFLEET_CHAOS_FOR", default_value = "60s", value_name = "TIME",
        value_parser = humantime::parse_duration)]
    length: Duration,
    /// What faults and choices are drawn from; one that is given again gives the same. By default another one each time.
    #[arg(long, env = "PAGEFLEET_CHAOS_SEED")]
    seed: Option<u64>,
    /// How many visitors walk at the same time.
    #[arg(long, env = "PAGEFLEET_CHAOS_VISITORS", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=200))]
    visitors: u16,
    /// How long a page may be out.
    #[arg(long, env = "PAGEFLEET_CHAOS_MAX_OUTAGE", default_value = "15s", value_name = "TIME",
        value_parser = humantime::parse_duration)]
    max_outage: Duration,
    /// Builds with optimisation.
    #[arg(long, env = "PAGEFLEET_RELEASE_BUILD", value_parser = BoolishValueParser::new())]
    release: bool,
}

/// Runs the verb. The exit code is 0 when nothing that was accepted was lost or made twice, no asset had wrong bytes, and
/// no page was out for too long.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let layout = Layout::find()?;
    let folder = Folder::at(Folder::here()?.path().join("chaos"));
    folder.create()?;
    let _lock = folder.lock()?;
    signals.interrupt(leftovers::clear(&folder)).await?;
    preflight::check(preflight::FOR_THE_FLEET, &mut signals).await?;
    let programs = signals.interrupt(builder::build_workspace(&layout.root, options.release)).await?;
    let ground = Arc::new(signals.interrupt(Ground::prepare(&layout, &folder, programs)).await?);
    let outcome = signals.interrupt(chaos(&options, &ground)).await;
    progress::step("stopping", "a Ctrl-C kills");
    ground.stop(signals.next()).await;
    let report = outcome?;
    let file = folder.path().join("report.md");
    folder::write(&file, &report.whole())?;
    progress::line(format_args!("\n{}\nreport {}", report.summary(), file.display()));
    Ok(if report.verdict().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run, from the fleet's start to the last order.
async fn chaos(options: &Options, ground: &Arc<Ground>) -> Result<Report, Error> {
    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    ground.start().await?;
    let schedule = schedule::draw(seed, options.length, &ground.targets());
    let (seconds, faults) = (options.length.as_secs(), schedule.len());
    progress::step("chaos", format_args!("seed {seed}: {faults} faults in {seconds} s, {} visitors", options.visitors));
    let begun = Timestamp::now();
    let diary = Arc::new(Diary::begin(ground.site(), &ground.pages));
    let trouble = Arc::new(Trouble::default());
    let walking = walk(options, seed, (ground, &diary))?;
    let going_wrong = trouble.make(&schedule, ground, &diary);
    tokio::select! {
        _ = async { tokio::join!(walking.join_all(), going_wrong) } => {}
        () = tell(&diary) => {}
    }
    let open = settle::wait(&diary, Browser::new(Arc::clone(&diary), client(WATCHER)?)).await;
    let keys = diary.book().keys();
    let made = match ground.service("orders") {
        Some(orders) => settle::made(&readiness::client()?, &orders, &keys).await,
        None => None,
    };
    let balance = made.map(|made| diary.book().balance(&made));
    Ok(Report {
        begun,
        seed,
        length: options.length,
        visitors: options.visitors,
        max_outage: options.max_outage,
        records: diary.records(),
        wrong_bytes: diary.all_wrong_bytes(),
        balance,
        open,
        faults: trouble.all(),
    })
}

/// Lets visitors in, and one for each page who only watches.
fn walk(options: &Options, seed: u64, site: (&Ground, &Arc<Diary>)) -> Result<JoinSet<()>, Error> {
    let (ground, diary) = site;
    let until = diary.at(options.length);
    let mut people = JoinSet::new();
    for number in 1..=options.visitors {
        people.spawn(Visitor::new(number, seed, Arc::clone(diary), until)?.come_and_go());
    }
    for path in ground.pages.iter().filter_map(|page| page.first_path()) {
        let browser = Browser::new(Arc::clone(diary), client(WATCHER)?);
        people.spawn(visitor::watch(browser, path.to_owned(), until));
    }
    Ok(people)
}

/// Says how far it is, for ever.
async fn tell(diary: &Diary) {
    let mut due = interval(PROGRESS);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    due.tick().await;
    loop {
        due.tick().await;
        progress::step("chaos", format_args!("{:>5.1} s  {}", diary.now().as_secs_f64(), diary.progress()));
    }
}
