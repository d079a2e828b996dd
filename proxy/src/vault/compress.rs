//! Compression at admission, once for each asset: slow and small is right.

use bytes::Bytes;
use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};

/// One more saves nothing (below 0.5 %) and takes twice the memory.
const BROTLI_QUALITY: u32 = 8;
const BROTLI_WINDOW: u32 = 22;
const BUFFER: usize = 4096;

/// Its tables take tens of megabytes: they are there once, however many pages are admitted at a time.
static TABLES: Mutex<()> = Mutex::new(());

/// Brotli (RFC 7932), when it saves at least a twentieth.
pub fn brotli(bytes: &Bytes) -> Option<Bytes> {
    let _tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut compressed = Vec::new();
    let read = brotli::CompressorReader::new(bytes.as_ref(), BUFFER, BROTLI_QUALITY, BROTLI_WINDOW)
        .read_to_end(&mut compressed);
    worth_it(bytes, read.ok().map(|_| compressed))
}

/// Gzip (RFC 1952), when it saves at least a twentieth.
pub fn gzip(bytes: &Bytes) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    worth_it(bytes, written.ok())
}

fn worth_it(bytes: &Bytes, compressed: Option<Vec<u8>>) -> Option<Bytes> {
    compressed.filter(|compressed| compressed.len() < bytes.len() - bytes.len() / 20).map(Bytes::from)
}
