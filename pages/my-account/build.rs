//! Builds this page's own assets out of `assets/`; and again when a migration is added.

fn main() {
    asset_bundler::build_script("assets");
    // The compiler sees only the migrations that were there last time.
    println!("cargo:rerun-if-changed=migrations");
}
