//! Stylesheets: imports inlined, minified, and every reference to a file turned into that file's fingerprinted URL,
//! because the Referer of what a stylesheet loads is the stylesheet and names no page.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Component, Path, PathBuf};

use lightningcss::bundler::{Bundler, ResolveResult, SourceProvider};
use lightningcss::dependencies::{Dependency, DependencyOptions, UrlDependency};
use lightningcss::printer::PrinterOptions;
use lightningcss::stylesheet::{MinifyOptions, ParserOptions};

use crate::asset::Built;
use crate::error::{Error, Read};
use crate::source::{Sources, name};

/// The text of every stylesheet in the folder.
pub(crate) struct Stylesheets {
    root: PathBuf,
    text: BTreeMap<PathBuf, String>,
}

impl Stylesheets {
    pub(crate) fn read(sources: &Sources) -> Result<Self, Error> {
        let mut text = BTreeMap::new();
        for path in &sources.all_css {
            text.insert(path.clone(), fs::read_to_string(path).reading(path)?);
        }
        Ok(Self { root: sources.root.clone(), text })
    }

    /// The stylesheet `entry` with all that it imports; `assets` are what it may refer to.
    pub(crate) fn bundle(&self, entry: &Path, assets: &BTreeMap<String, Built>) -> Result<String, Error> {
        let mut bundler = Bundler::new(self, None, ParserOptions::default());
        let mut stylesheet = bundler.bundle(entry).map_err(|error| self.error(entry, error.loc, error.kind))?;
        stylesheet.minify(MinifyOptions::default()).map_err(|error| self.error(entry, error.loc, error.kind))?;
        let printed = stylesheet
            .to_css(PrinterOptions {
                minify: true,
                analyze_dependencies: Some(DependencyOptions::default()),
                ..PrinterOptions::default()
            })
            .map_err(|error| self.error(entry, error.loc, error.kind))?;
        let mut code = printed.code;
        for dependency in printed.dependencies.into_iter().flatten() {
            if let Dependency::Url(reference) = dependency {
                let url = self.resolve_url(&reference, assets)?;
                code = code.replace(&format!("url(\"{}\")", reference.placeholder), &url_token(&url));
            }
        }
        Ok(code)
    }

    /// What is to stand in the stylesheet in place of a reference.
    fn resolve_url(&self, reference: &UrlDependency, assets: &BTreeMap<String, Built>) -> Result<String, Error> {
        let url = reference.url.as_str();
        if !is_relative(url) {
            return Ok(url.to_owned());
        }
        let file_end = url.find(['?', '#']).unwrap_or(url.len());
        let (file, suffix) = url.split_at(file_end);
        let stylesheet = Path::new(&reference.loc.file_path);
        let asset = assets.get(&name(&self.root, &join(stylesheet, file)));
        match asset {
            Some(asset) => Ok(asset.fingerprinted_url() + suffix),
            None => Err(Error::MissingFile {
                file: name(&self.root, stylesheet),
                line: reference.loc.start.line,
                url: url.to_owned(),
            }),
        }
    }

    fn error(&self, entry: &Path, at: Option<lightningcss::error::ErrorLocation>, kind: impl Display) -> Error {
        let (file, line) = match at {
            Some(at) => (name(&self.root, Path::new(&at.filename)), at.line + 1),
            None => (name(&self.root, entry), 1),
        };
        Error::Css { file, line, message: kind.to_string() }
    }
}

/// A stylesheet imports a file that is no stylesheet of this folder.
#[derive(Debug, thiserror::Error)]
#[error("{} is no stylesheet of the bundle", .0.display())]
pub(crate) struct NoStylesheet(PathBuf);

impl SourceProvider for Stylesheets {
    type Error = NoStylesheet;

    fn read<'a>(&'a self, file: &Path) -> Result<&'a str, NoStylesheet> {
        let text = self.text.get(file);
        text.map(String::as_str).ok_or_else(|| NoStylesheet(file.to_owned()))
    }

    fn resolve(&self, specifier: &str, originating_file: &Path) -> Result<ResolveResult, NoStylesheet> {
        Ok(ResolveResult::File(join(originating_file, specifier)))
    }
}

/// Whether a reference means a file beside the stylesheet: no scheme, no host, no absolute path, no mere fragment.
fn is_relative(url: &str) -> bool {
    let scheme = url.find([':', '/', '?', '#']).is_some_and(|at| url.as_bytes()[at] == b':');
    !scheme && !url.is_empty() && !url.starts_with(['/', '#'])
}

/// The file that `reference` means in the file `from`.
fn join(from: &Path, reference: &str) -> PathBuf {
    let mut path = from.parent().map(Path::to_owned).unwrap_or_default();
    for part in Path::new(reference).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

/// `url(…)`, quoted and escaped where it has to be (CSS Syntax 3, sections 4.3.5 and 4.3.6).
fn url_token(url: &str) -> String {
    if url.chars().all(|c| c.is_ascii_alphanumeric() || "/.-_#?=&%:;,+".contains(c)) {
        return format!("url({url})");
    }
    let escaped = url.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\a ");
    format!("url(\"{escaped}\")")
}
