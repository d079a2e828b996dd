//! Builds this page's own assets out of `assets/`.

fn main() {
    asset_bundler::build_script("assets");
}
