//! The one table of asset types: by extension, never by what a page says.

/// The `content-type` of an asset, by the extension of its file name; `None` when it is no type that a bundle may have.
pub fn of(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "wasm" => "application/wasm",
        "avif" => "image/avif",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "otf" => "font/otf",
        "ttf" => "font/ttf",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

/// Whether a type that a page names is the table's, parameters and old names aside (RFC 9239 for JavaScript).
pub fn is_same(known: &str, named: &str) -> bool {
    fn essence(written: &str) -> String {
        let essence = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/javascript" | "application/x-javascript" => "text/javascript".to_owned(),
            "image/vnd.microsoft.icon" => "image/x-icon".to_owned(),
            "text/xml" => "application/xml".to_owned(),
            "application/font-woff" => "font/woff".to_owned(),
            _ => essence,
        }
    }
    essence(known) == essence(named)
}

/// Whether a server has only said that it doesn't know.
pub fn is_unnamed(named: &str) -> bool {
    named.is_empty() || is_same("application/octet-stream", named)
}

/// Whether bytes of this type are worth compressing: text, and formats that are not compressed themselves.
pub fn is_compressible(content_type: &str) -> bool {
    let binary = ["image/avif", "image/gif", "image/jpeg", "image/png", "image/webp", "font/woff", "audio/", "video/"];
    !binary.iter().any(|prefix| content_type.starts_with(prefix))
}

/// Whether bytes are an HTML document, whatever they are called: what a server sends in place of an asset that it does
/// not have.
pub fn looks_like_html(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let starts = |tag: &[u8]| text.len() >= tag.len() && text[..tag.len()].eq_ignore_ascii_case(tag);
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].into_iter().any(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides() {
        assert_eq!(of("site-5d1f0c3a9b7e2468.css"), Some("text/css; charset=utf-8"));
        assert_eq!(of("a.b.svg"), Some("image/svg+xml"));
        for name in ["page.html", "a.htm", "a.php", "noextension", "a.", "a.CSS"] {
            assert_eq!(of(name), None, "{name}");
        }
        assert!(is_compressible("image/svg+xml") && is_compressible("font/ttf"));
        assert!(!is_compressible("font/woff2") && !is_compressible("image/png"));
    }

    #[test]
    fn a_type_is_the_same_under_its_old_name() {
        assert!(is_same("text/javascript; charset=utf-8", "application/JavaScript"));
        assert!(is_same("text/css; charset=utf-8", "text/css"));
        assert!(!is_same("text/css; charset=utf-8", "text/html") && !is_same("text/css", ""));
    }

    #[test]
    fn html_is_known_by_its_first_bytes() {
        for html in ["<!DOCTYPE html><p>", "\n <HTML lang=en>", "\u{feff}<head>"] {
            assert!(looks_like_html(html.as_bytes()), "{html}");
        }
        for other in ["", "a{}", "<svg xmlns=''/>", "// <html>", "<?xml version='1.0'?><svg/>"] {
            assert!(!looks_like_html(other.as_bytes()), "{other}");
        }
    }
}
