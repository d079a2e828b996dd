//! Builds the shared bundle out of `bundle/`.

fn main() {
    asset_bundler::build_script("bundle");
}
