//! Builds again when a migration is added: the compiler sees only the files that were there last time.

fn main() {
    println!("cargo:rerun-if-changed=src/outbox/migrations");
    println!("cargo:rerun-if-changed=src/feed/migrations");
}
