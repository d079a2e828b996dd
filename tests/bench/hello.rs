//! The least that a page BFF could be: axum's hello-world on one thread, beside which a page's CPU is measured.

use axum::Router;
use axum::routing::get;
use clap::Parser;
use std::net::SocketAddr;

#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(Args::parse().listen).await?;
    println!("{}", serde_json::json!({"message": "listening", "address": listener.local_addr()?}));
    axum::serve(listener, Router::new().route("/", get(async || "Hello, world!"))).await
}
