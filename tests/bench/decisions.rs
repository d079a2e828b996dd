//! What the proxy's decisions cost by the number of pages: read from what criterion left of `cargo bench`.

use serde::Serialize;
use std::path::Path;

const GROUPS: [&str; 3] = ["route", "referer", "asset"];
const FEW: &str = "3";
const MANY: &str = "3000";

/// One decision at one number of pages.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Decision {
    /// `group/function`.
    pub(crate) name: String,
    pub(crate) pages: String,
    pub(crate) nanos: f64,
}

/// All that criterion measured; nothing, if it did not run.
pub(crate) fn read(folder: &Path) -> Vec<Decision> {
    let mut found = Vec::new();
    for group in GROUPS {
        for function in names(&folder.join(group)) {
            for pages in names(&folder.join(group).join(&function)) {
                let file = folder.join(group).join(&function).join(&pages).join("new/estimates.json");
                let nanos = std::fs::read_to_string(file).ok().and_then(|text| point_estimate(&text));
                let name = format!("{group}/{function}");
                found.extend(nanos.map(|nanos| Decision { name, pages, nanos }));
            }
        }
    }
    found.sort_by(|a, b| (&a.name, a.pages.len(), &a.pages).cmp(&(&b.name, b.pages.len(), &b.pages)));
    found
}

/// The worst cost with many pages over that with few, and the highest cost of all.
pub(crate) fn worst(decisions: &[Decision]) -> Option<(f64, f64)> {
    let of = |name: &str, pages: &str| {
        decisions.iter().find(|one| one.name == name && one.pages == pages).map(|one| one.nanos)
    };
    let ratios = decisions.iter().filter_map(|one| Some(of(&one.name, MANY)? / of(&one.name, FEW)?));
    let ratio = ratios.reduce(f64::max)?;
    Some((ratio, decisions.iter().map(|one| one.nanos).reduce(f64::max)?))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir() && entry.file_name() != "report");
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn point_estimate(text: &str) -> Option<f64> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    json["median"]["point_estimate"].as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_read_by_group_function_and_number_of_pages() {
        let folder = tempfile::tempdir().unwrap();
        for (pages, nanos) in [("3", 100.0), ("3000", 110.0)] {
            let place = folder.path().join("route/page").join(pages).join("new");
            std::fs::create_dir_all(&place).unwrap();
            let text = format!("{{\"median\": {{\"point_estimate\": {nanos}}}}}");
            std::fs::write(place.join("estimates.json"), text).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("route/page/report")).unwrap();
        let decisions = read(folder.path());
        assert_eq!(decisions.iter().map(|one| one.pages.as_str()).collect::<Vec<_>>(), ["3", "3000"]);
        assert_eq!(worst(&decisions), Some((1.1, 110.0)));
        assert_eq!(worst(&read(Path::new("/no/such/folder"))), None);
    }
}
