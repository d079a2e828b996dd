//! The proxy that puts many pages on one origin.
//!
//! # Layout
//! A request's way, file by file:
//! - [`server`] accepts, [`transport`] and [`head_guard`] carry the bytes, [`head`] says which heads are let
//!   in and [`chunked`] where chunked bodies end,
//!   [`connection`] goes turn by turn, and when nothing comes [`parking`] has it;
//! - [`plain`] says which requests need nothing of pingora ([`field_name`] has the names that browsers send), [`course`] what becomes of them: an answer at hand, from the vault or
//!   the page cache ([`memory_file`]), or [`forward`] asks an instance ([`upstreams`]); [`wire`] writes what comes of it;
//! - [`gateway`] is pingora's phases, [`request`] what is known of one request, [`request_id`] its name; [`dispatch`] finds its page and
//!   [`failure`] says what becomes of a failed attempt. [`client_limit`] and [`page_limit`] say who asks too much, [`overdue`] what becomes of who waits too long. They ask the pure deciders: [`path`], [`routes`] (path to page), [`asset_url`],
//!   [`referer`] and [`asset_decision`] (whose asset), [`balance`] (which instance), [`retry`] (once more?);
//!   While a page has two releases, [`shares`] says which one a visitor gets;
//! - [`client_request`] and [`trace_context`] write what a page is told, [`page_response`] what a client is told, both through
//!   [`header_fields`];
//! - [`page_cache`] keeps what pages say that it may, and answers out of it;
//! - [`answer`] and [`error_pages`] are the proxy's own answers; [`access_log`] and [`metrics`] tell afterwards.
//!
//! Beside it: [`admission`] lets releases in, whose assets the [`gate`] checks and puts into the [`vault`] ([`css_references`], [`content_type`]), out of which
//! [`asset_answer`] answers; [`fleet`] is what is known of pages, and [`instance`] of one process and its states. [`keeper`] makes it what
//! page files say ([`changes`] notices that they changed, [`last_good`] keeps the good ones), names ([`dns`]) and `proxy.toml`
//! ([`settings`]); [`health`], [`manifest`] and [`ejection`] say who gets traffic, [`admin`] and [`reports`] show it. [`sockets`] are bound or
//! inherited; [`serving`] ends connections whose instance has gone ([`websocket_frames`]).

pub mod access_log;
pub mod admin;
pub mod admission;
pub mod answer;
pub mod asset_answer;
pub mod asset_decision;
pub mod asset_url;
pub mod balance;
pub mod changes;
pub mod chunked;
pub mod client_limit;
pub mod client_request;
pub mod connection;
pub mod content_type;
pub mod course;
pub mod css_references;
pub mod dispatch;
pub mod dns;
pub mod ejection;
pub mod error_pages;
pub mod failure;
pub mod field_name;
pub mod fleet;
pub mod forward;
pub mod gate;
pub mod gateway;
pub mod head;
pub mod head_guard;
pub mod header_fields;
pub mod health;
pub mod instance;
pub mod keeper;
pub mod last_good;
pub mod manifest;
pub mod memory_file;
pub mod metrics;
pub mod overdue;
pub mod page_cache;
pub mod page_limit;
pub mod page_response;
pub mod parking;
pub mod path;
pub mod plain;
pub mod referer;
pub mod reports;
pub mod request;
pub mod request_id;
pub mod retry;
pub mod routes;
pub mod server;
pub mod serving;
pub mod settings;
pub mod shares;
pub mod sockets;
pub mod trace_context;
pub mod transport;
pub mod upstreams;
pub mod vault;
pub mod vault_command;
pub mod websocket_frames;
pub mod wire;
