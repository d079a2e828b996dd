//! The bundler, by folders made for each test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::asset::Built;
use crate::source::Sources;
use crate::{Error, build, bundle};

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn assets(files: &[(&str, &str)]) -> Result<BTreeMap<String, Built>, Error> {
    let folder = folder(files);
    build(&Sources::read(folder.path())?)
}

fn text(asset: &Built) -> &str {
    std::str::from_utf8(&asset.bytes).unwrap()
}

fn error(files: &[(&str, &str)]) -> String {
    assets(files).err().unwrap().to_string()
}

#[test]
fn a_fingerprint_is_the_first_sixteen_digits_of_the_sha256_of_the_bytes() {
    let assets = assets(&[("hills.svg", SVG)]).unwrap();
    let digest: String = Sha256::digest(SVG).iter().map(|byte| format!("{byte:02x}")).collect();
    let hills = &assets["hills.svg"];
    assert_eq!(hills.fingerprint(), &digest[..16]);
    assert_eq!(hills.fingerprinted_url(), format!("/assets/hills-{}.svg", &digest[..16]));
    assert_eq!(hills.stable_url(), "/assets/hills.svg");
}

#[test]
fn a_stylesheet_refers_to_files_by_their_fingerprinted_urls() {
    let files = [
        ("site.css", "@import 'css/hero.css'; a { background: url(hills.svg) }"),
        ("css/hero.css", "h1 { background: url('../hills.svg#far') } p { background: url(./dot.svg?x) }"),
        ("css/dot.svg", SVG),
        ("hills.svg", SVG),
    ];
    let assets = assets(&files).unwrap();
    let css = text(&assets["site.css"]);
    let hills = assets["hills.svg"].fingerprinted_url();
    let dot = assets["css/dot.svg"].fingerprinted_url();
    assert!(css.contains(&format!("url({hills})")), "{css}");
    assert!(css.contains(&format!("url({hills}#far)")), "{css}");
    assert!(css.contains(&format!("url({dot}?x)")), "{css}");
    assert!(!css.contains("@import"), "{css}");
    assert!(!assets.contains_key("css/hero.css"));
}

#[test]
fn a_reference_that_means_no_file_of_the_bundle_stays_as_it_is() {
    for url in ["/elsewhere.svg", "https://example.com/a.svg", "#mask", "data:image/gif;base64,R0lGOD=="] {
        let css = format!("a {{ mask: url({url}) }}");
        let assets = assets(&[("site.css", &css)]).unwrap();
        assert!(text(&assets["site.css"]).contains(url), "{}", text(&assets["site.css"]));
    }
    let quoted = "a{mask:url(\"data:image/svg+xml,<svg a='1'/>\")}";
    assert_eq!(text(&assets(&[("site.css", quoted)]).unwrap()["site.css"]), quoted);
}

#[test]
fn a_missing_file_is_an_error_that_names_stylesheet_line_and_url() {
    let files =
        [("site.css", "@import 'css/a.css';"), ("css/a.css", "a { color: red }\n\nb { background: url(no.png) }")];
    assert_eq!(error(&files), "css/a.css:3: url(no.png) is not in the bundle");
    let outside = [("site.css", "b { background: url(../../../etc/passwd.png) }")];
    assert!(error(&outside).starts_with("site.css:1: url(../../../etc/passwd.png)"));
    let import = error(&[("site.css", "a { color: red }\n"), ("b.css", "\n@import 'nothing.css';")]);
    assert!(import.starts_with("b.css:2: ") && import.contains("nothing.css"), "{import}");
}

#[test]
fn a_stylesheet_that_does_not_parse_is_an_error_with_its_line() {
    let message = error(&[("site.css", "a { color: red }\n}} b")]);
    assert!(message.starts_with("site.css:2: "), "{message}");
}

#[test]
fn scripts_of_a_folder_become_one_module_in_the_order_of_their_names() {
    let files = [
        ("site/20-second.js", "const name = 'second'; document.title += name;"),
        ("site/10-first.js", "// a comment\nconst name = 'first';\ndocument.title += name;"),
    ];
    let assets = assets(&files).unwrap();
    let code = text(&assets["site.js"]);
    let (first, second) = (code.find("first").unwrap(), code.find("second").unwrap());
    assert!(first < second && !code.contains("comment"), "{code}");
}

#[test]
fn a_script_that_does_not_parse_is_an_error_with_file_and_line() {
    let files = [("site/a.js", "let a = 1;\n"), ("site/b.js", "let b = 1;\nlet c = ;\n")];
    let message = error(&files);
    assert!(message.starts_with("site/b.js:2: "), "{message}");
    let import = error(&[("site/a.js", "\nimport x from './b.js';")]);
    assert!(import.starts_with("site/a.js:2: "), "{import}");
    let twice = error(&[("site/a.js", "let a = 1;\n\nlet a = 2;")]);
    assert!(twice.starts_with("site/a.js:"), "{twice}");
}

#[test]
fn a_name_that_a_url_or_the_proxy_could_misread_is_refused() {
    for name in ["Hills.svg", "a b.svg", "site-5d1f0c3a9b7e2468.svg"] {
        assert!(matches!(assets(&[(name, SVG)]), Err(Error::BadName { .. })), "{name}");
    }
    assert!(matches!(assets(&[("notes.docx", "")]), Err(Error::UnknownType { .. })));
    assert!(matches!(assets(&[("site.js", ""), ("site/a.js", "")]), Err(Error::NameTaken { .. })));
}

#[test]
fn two_builds_of_equal_input_are_equal() {
    let files = [
        ("site.css", "@import 'css/a.css'; @import 'css/b.css'; i { mask: url(hills.svg) }"),
        ("css/a.css", "a { color: red }"),
        ("css/b.css", "b { color: blue }"),
        ("site/a.js", "export_(1); function export_(x) { console.log(x) }"),
        ("hills.svg", SVG),
    ];
    let (one, two) = (built(&files), built(&files));
    assert_eq!(one, two);
    let names: Vec<_> = one.keys().map(String::as_str).collect();
    assert_eq!(names, ["assets.rs", "bundle/hills.svg", "bundle/site.css", "bundle/site.js"]);
}

#[test]
fn a_file_that_has_gone_leaves_the_bundle() {
    let out = tempfile::tempdir().unwrap();
    bundle(folder(&[("a.svg", SVG), ("b.svg", SVG)]).path(), out.path()).unwrap();
    bundle(folder(&[("b.svg", SVG)]).path(), out.path()).unwrap();
    assert!(!out.path().join("bundle/a.svg").exists());
}

/// Every file that a bundle of `files` writes, by its path.
fn built(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let out = tempfile::tempdir().unwrap();
    bundle(folder(files).path(), out.path()).unwrap();
    let mut found = BTreeMap::new();
    collect(out.path(), out.path(), &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}
