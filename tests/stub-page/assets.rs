//! The page's assets: under which URLs they are, and how wrongly they are served.

use crate::Stub;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_stream::StreamExt;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const A_DATE: &str = "Sat, 21 Nov 2026 12:00:00 GMT";
const HTML: &str = "<!doctype html><title>Welcome</title>";

/// A file of the page's bundle.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    /// Such as `site.css`.
    pub(crate) name: String,
    /// Where it is beside `/assets/<name>`.
    pub(crate) path: String,
    pub(crate) bytes: Bytes,
}

/// What is in an asset's URL to tell its versions apart.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Naming {
    /// `site-5d1f0c3a9b7e2468.css`, as the contract wants.
    Contract,
    /// `site-BwT2s8aF.css`.
    Vite,
    /// `site.3f2a1b9c.css`.
    Webpack,
}

/// How an asset is served while the manifest stays good. Whatever comes claims to be immutable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    /// 404.
    Missing,
    /// 404, to be kept for ever.
    Immutable404,
    /// The first half, then the connection is cut.
    Truncated,
    /// The first half, as if it were all.
    Short,
    /// An HTML document under the asset's type.
    Html,
    /// An HTML document as `text/html`, as single-page servers answer what they don't know.
    Html200,
    /// The right bytes as `text/plain`.
    OtherType,
    /// One bit is another; tag and type are right.
    Flipped,
}

/// `name=text`, or `name=@file`.
pub(crate) fn parse_asset(written: &str) -> Result<(String, Bytes), String> {
    let (name, text) = written.split_once('=').ok_or("want name=text or name=@file")?;
    let bytes = match text.strip_prefix('@') {
        Some(file) => std::fs::read(file).map_err(|error| format!("{file}: {error}"))?.into(),
        None => Bytes::copy_from_slice(text.as_bytes()),
    };
    Ok((name.to_owned(), bytes))
}

pub(crate) fn parse_fault(written: &str) -> Result<(String, Fault), String> {
    let (name, fault) = written.split_once('=').ok_or("want name=fault")?;
    Ok((name.to_owned(), <Fault as clap::ValueEnum>::from_str(fault, false)?))
}

/// `COUNTxBYTES`.
pub(crate) fn parse_filler(written: &str) -> Result<(usize, usize), String> {
    let number = |text: &str| text.parse::<usize>().map_err(|error| error.to_string());
    let (count, size) = written.split_once('x').ok_or("want COUNTxBYTES")?;
    Ok((number(count)?, number(size)?))
}

/// Assets of which nobody knows anything but that they differ: by page, release and number.
pub(crate) fn filler(seed: &str, count: usize, size: usize) -> impl Iterator<Item = (String, Bytes)> {
    (0..count).map(move |number| {
        let block = |at| Sha256::digest(format!("{seed} {number} {at}")).to_vec();
        let mut bytes: Vec<u8> = (0..size.div_ceil(32)).flat_map(block).collect();
        bytes.truncate(size);
        (format!("filler-{number}.png"), bytes.into())
    })
}

impl Asset {
    pub(crate) fn new(name: String, bytes: Bytes, naming: Naming) -> Self {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, "bin"));
        let digest = sha256(&bytes);
        let path = match naming {
            Naming::Contract => format!("/assets/{stem}-{}.{extension}", &digest[..16]),
            // Vite's are of its own alphabet: upper case makes sure that it is not ours.
            Naming::Vite => format!("/assets/{stem}-{}.{extension}", digest[..8].to_ascii_uppercase()),
            Naming::Webpack => format!("/assets/{stem}.{}.{extension}", &digest[..8]),
        };
        Self { path, name, bytes }
    }

    pub(crate) fn sha256(&self) -> String {
        sha256(&self.bytes)
    }

    /// The type that the manifest promises, for names that the stub knows.
    pub(crate) fn known_type(&self) -> Option<&'static str> {
        Some(match self.name.rsplit('.').next()? {
            "css" => "text/css",
            "js" => "text/javascript",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "txt" => "text/plain",
            _ => return None,
        })
    }

    fn content_type(&self) -> &'static str {
        self.known_type().unwrap_or("application/octet-stream")
    }

    /// How a document pulls it in.
    pub(crate) fn tag(&self) -> String {
        let path = &self.path;
        match self.content_type() {
            "text/css" => format!("<link rel=\"stylesheet\" href=\"{path}\">"),
            "text/javascript" => format!("<script type=\"module\" src=\"{path}\"></script>"),
            kind if kind.starts_with("image/") => format!("<img alt=\"\" src=\"{path}\">"),
            _ => format!("<link rel=\"prefetch\" href=\"{path}\">"),
        }
    }
}

/// `GET /assets/{name}`, by either URL.
pub(crate) async fn answer(State(stub): State<Arc<Stub>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    stub.requests.fetch_add(1, Ordering::Relaxed);
    let path = format!("/assets/{name}");
    let found = stub.assets.iter().find(|asset| asset.name == name || asset.path == path);
    let Some(asset) = found else { return StatusCode::NOT_FOUND.into_response() };
    let fault = stub.args.faults.iter().find(|(faulty, _)| *faulty == asset.name);
    match fault {
        Some((_, fault)) => serve_wrongly(asset, *fault),
        None => serve(&stub, asset, &headers),
    }
}

fn serve(stub: &Stub, asset: &Asset, headers: &HeaderMap) -> Response {
    let etag = if stub.args.dated { "\"built-on-saturday\"".to_owned() } else { etag(asset) };
    let mut fields = vec![(header::ETAG, etag.clone()), (header::CONTENT_TYPE, asset.content_type().to_owned())];
    if stub.args.dated {
        fields.push((header::LAST_MODIFIED, A_DATE.to_owned()));
    }
    let is = |name: header::HeaderName, value: &str| headers.get(name).is_some_and(|found| found == value);
    let known = is(header::IF_NONE_MATCH, &etag) || stub.args.dated && is(header::IF_MODIFIED_SINCE, A_DATE);
    let fields = axum::response::AppendHeaders(fields);
    if known {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, asset.bytes.clone()).into_response()
}

fn serve_wrongly(asset: &Asset, fault: Fault) -> Response {
    let half = asset.bytes.slice(..asset.bytes.len() / 2);
    let (status, kind, body) = match fault {
        Fault::Missing => return StatusCode::NOT_FOUND.into_response(),
        Fault::Immutable404 => (StatusCode::NOT_FOUND, "text/plain", Body::from("no such asset\n")),
        Fault::Truncated => (StatusCode::OK, asset.content_type(), cut_after(half)),
        Fault::Short => (StatusCode::OK, asset.content_type(), Body::from(half)),
        Fault::Html => (StatusCode::OK, asset.content_type(), Body::from(HTML)),
        Fault::Html200 => (StatusCode::OK, "text/html", Body::from(HTML)),
        Fault::OtherType => (StatusCode::OK, "text/plain", Body::from(asset.bytes.clone())),
        Fault::Flipped => {
            let mut bytes = asset.bytes.to_vec();
            bytes.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
            (StatusCode::OK, asset.content_type(), Body::from(bytes))
        }
    };
    let fields =
        [(header::ETAG, etag(asset)), (header::CONTENT_TYPE, kind.into()), (header::CACHE_CONTROL, IMMUTABLE.into())];
    let mut response = (status, fields, body).into_response();
    if fault == Fault::Truncated {
        response.headers_mut().insert(header::CONTENT_LENGTH, asset.bytes.len().into());
    }
    response
}

fn cut_after(bytes: Bytes) -> Body {
    let cut = tokio_stream::once(Err(std::io::Error::other("cut")));
    Body::from_stream(tokio_stream::once(Ok(bytes)).chain(cut))
}

fn etag(asset: &Asset) -> String {
    format!("\"{}\"", &asset.sha256()[..16])
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
