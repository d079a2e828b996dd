//! The one table of file types that a bundle may hold.

/// The media type of an asset, by the extension of its name.
pub(crate) fn of(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension {
        "css" => "text/css",
        "ico" => "image/x-icon",
        "jpg" => "image/jpeg",
        "js" => "text/javascript",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

/// Whether a page needs an asset of this type before it can be shown as it should.
pub(crate) fn preloaded(content_type: &str) -> bool {
    matches!(content_type, "text/css" | "text/javascript" | "font/woff2")
}
