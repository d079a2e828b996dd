//! Builds this page's own assets out of `assets/`; and again when a migration is added.

fn main() {
    asset_bundler::build_script("assets");
    // DT_RELR: 0.2 MB less, and a program that needs glibc 2.36 or musl 1.2.4 to start.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // The compiler sees only the migrations that were there last time.
    println!("cargo:rerun-if-changed=migrations");
}
