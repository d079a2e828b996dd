//! Bars for the eye: CPU over nginx's by scenario, latency at a constant rate, memory.

use super::Report;
use crate::error::Error;
use crate::latency::DIRECT;
use crate::peers::Kind;
use crate::statistics::Spread;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

const SIZE: (u32, u32) = (1200, 420);
const COLOURS: [RGBColor; 6] = [
    RGBColor(180, 80, 27),
    RGBColor(0, 126, 63),
    RGBColor(62, 99, 160),
    RGBColor(126, 87, 160),
    RGBColor(196, 160, 32),
    RGBColor(120, 120, 120),
];

/// A group of bars under one name: by series, the bar's height and how far its rounds reach.
struct Group {
    name: String,
    bars: Vec<(usize, Spread)>,
}

/// Writes every plot that the run has figures for into `folder`.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<(), Error> {
    let kinds = Kind::ALL.map(Kind::name);
    draw(&folder.join("cpu.svg"), "CPU for each request or visit, nginx = 1", &kinds, &cpu(report))?;
    let places = [kinds.as_slice(), &[DIRECT]].concat();
    draw(&folder.join("latency.svg"), "Latency at a constant rate, ms", &places, &latency(report))?;
    draw(&folder.join("memory.svg"), "Memory, MiB; for an idle connection, KiB", &kinds, &memory(report))
}

fn index(kind: Kind) -> usize {
    Kind::ALL.iter().position(|other| *other == kind).unwrap_or_default()
}

fn cpu(report: &Report) -> Vec<Group> {
    let groups = report.outcomes.iter().map(|outcome| {
        let bars =
            outcome.peers.iter().filter_map(|(kind, _)| Some((index(*kind), outcome.ratio(*kind, Kind::Nginx)?)));
        Group { name: outcome.scenario.clone(), bars: bars.collect() }
    });
    groups.collect()
}

fn latency(report: &Report) -> Vec<Group> {
    // Who is no peer, since it was asked directly, comes behind them.
    let place = |name: &str| Kind::ALL.iter().position(|kind| kind.name() == name).unwrap_or(Kind::ALL.len());
    let group = |name: &str, figure: fn(&crate::latency::Latency) -> Spread| Group {
        name: name.to_owned(),
        bars: report.latency.iter().map(|one| (place(&one.peer), figure(one))).collect(),
    };
    match report.latency.is_empty() {
        true => Vec::new(),
        false => vec![group("p50", |one| one.p50), group("p99", |one| one.p99)],
    }
}

fn memory(report: &Report) -> Vec<Group> {
    let group = |name: &str, figure: fn(&crate::memory::Held) -> f64| Group {
        name: name.to_owned(),
        bars: report.memory.iter().filter_map(|held| Some((index(held.peer), Spread::of([figure(held)])?))).collect(),
    };
    match report.memory.is_empty() {
        true => Vec::new(),
        false => vec![
            group("idle", |held| held.idle_kib as f64 / 1024.0),
            group("under load", |held| held.loaded_kib as f64 / 1024.0),
            group("idle connection", |held| held.bytes_per_connection / 1024.0),
        ],
    }
}

fn draw(file: &Path, title: &str, series: &[&str], groups: &[Group]) -> Result<(), Error> {
    if groups.is_empty() {
        return Ok(());
    }
    bars(file, title, series, groups).map_err(|error| Error::Plot { path: file.to_owned(), reason: error.to_string() })
}

fn bars(file: &Path, title: &str, series: &[&str], groups: &[Group]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    // A single round that went wrong must not make the others small.
    let medians = groups.iter().flat_map(|group| &group.bars).map(|(_, spread)| spread.median);
    let top = medians.fold(0.0, f64::max) * 1.3;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..groups.len() as f64 * 1.1, 0.0..top)?;
    chart.configure_mesh().disable_x_mesh().disable_x_axis().y_label_style(("sans-serif", 12)).draw()?;
    let width = 0.8 / series.len() as f64;
    for (number, name) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let of_series = groups.iter().enumerate().filter_map(|(place, group)| {
            let spread = group.bars.iter().find(|(index, _)| *index == number)?.1;
            Some((place as f64 + 0.1 + width * number as f64, spread))
        });
        let of_series: Vec<(f64, Spread)> = of_series.collect();
        let rectangle = |(left, spread): &(f64, Spread)| {
            Rectangle::new([(*left, 0.0), (left + width * 0.9, spread.median)], colour.filled())
        };
        let label = chart.draw_series(of_series.iter().map(rectangle))?.label(*name);
        label.legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
        chart.draw_series(of_series.iter().map(|(left, spread)| {
            let middle = left + width * 0.45;
            PathElement::new([(middle, spread.min), (middle, spread.max.min(top))], BLACK)
        }))?;
    }
    let centred = ("sans-serif", 11).into_text_style(&root).pos(Pos::new(HPos::Center, VPos::Top));
    for (place, group) in groups.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(place as f64 + 0.5, 0.0));
        root.draw(&Text::new(group.name.clone(), (x, y + 6), centred.clone()))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(root.present()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_that_was_measured_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        write(&super::super::example(), folder.path()).unwrap();
        let cpu = std::fs::read_to_string(folder.path().join("cpu.svg")).unwrap();
        assert!(cpu.contains("page_proxied") && cpu.contains("nginx"));
        assert!(folder.path().join("latency.svg").exists() && folder.path().join("memory.svg").exists());
    }
}
