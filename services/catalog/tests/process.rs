//! The real binary: how it starts, what it logs, how it stops. The same code runs the other services and the pages.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

struct Process {
    child: Child,
    log: BufReader<ChildStdout>,
    address: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = catalog(data).env("PAGEFLEET_SETTLE", "100ms").stdout(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let address = line(&mut log, "listening")["address"].as_str().unwrap().to_owned();
        Self { child, log, address }
    }

    fn get(&self, path: &str, headers: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

fn catalog(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog"));
    command.env_clear().env("PAGEFLEET_DATA", data);
    command
}

/// The next log line with this message. Every line has to be a JSON object.
fn line(log: &mut impl BufRead, message: &str) -> Value {
    loop {
        let mut text = String::new();
        assert_ne!(log.read_line(&mut text).unwrap(), 0, "no line says {message}");
        let line: Value = serde_json::from_str(&text).unwrap();
        if line["message"] == message {
            return line;
        }
    }
}

#[test]
fn each_request_is_one_log_line_with_its_id_and_trace_and_without_its_query() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path());
    process.get("/health/ready", "");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = format!("x-request-id: abc\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    assert!(process.get("/products?q=secret", &headers).contains("x-request-id: abc"));
    let answered = line(&mut process.log, "answered");
    assert_eq!(answered["status"], 200);
    assert!(answered["duration_ms"].is_number());
    let span = &answered["span"];
    assert_eq!([&span["request_id"], &span["trace_id"]], ["abc", trace]);
    assert_eq!([&span["method"], &span["path"]], ["GET", "/products"]);
    assert!(!answered.to_string().contains("secret"));
}

#[test]
fn a_log_line_has_the_route_and_not_the_path() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path());
    for (path, route) in [("/products/secret", "/products/{slug}"), ("/secret", "(none)")] {
        process.get(path, "");
        let answered = line(&mut process.log, "answered");
        assert_eq!((&answered["status"], &answered["span"]["path"]), (&404.into(), &route.into()));
        assert!(!answered.to_string().contains("secret"), "{answered}");
    }
}

#[test]
fn a_signal_ends_it_well() {
    let data = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::start(data.path());
        assert!(process.get("/health/ready", "").starts_with("HTTP/1.1 200"));
        assert_eq!(process.stop(signal), Some(0), "{signal:?}");
    }
}

#[test]
fn a_closed_stdout_does_not_end_it() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path());
    let mut nobody_reads = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    nobody_reads.wait().unwrap();
    process.log = BufReader::new(nobody_reads.stdout.take().unwrap());
    for _ in 0..3 {
        assert!(process.get("/products", "").starts_with("HTTP/1.1 200"));
    }
    assert_eq!(process.stop(Signal::TERM), Some(0));
}

#[test]
fn a_killed_process_leaves_a_database_that_opens() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path());
    assert_eq!(process.stop(Signal::KILL), None);
    assert!(Process::start(data.path()).get("/products/fellside-2", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn what_keeps_it_from_starting_is_one_line_that_names_it() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let not_a_folder = data.path().join("catalog.sqlite");
    for (variable, value, named) in [
        ("PAGEFLEET_LISTEN", process.address.as_str(), "PAGEFLEET_LISTEN"),
        ("PAGEFLEET_LISTEN", "here", "--listen"),
        ("PAGEFLEET_SETTLE", "soon", "--settle"),
        ("PAGEFLEET_LOG", "catalog=everything=loud", "PAGEFLEET_LOG"),
        ("PAGEFLEET_DATA", not_a_folder.to_str().unwrap(), "PAGEFLEET_DATA"),
    ] {
        let output = catalog(data.path()).env(variable, value).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{variable}={value}");
        let first = stderr.lines().next().unwrap_or_default();
        assert!(first.to_lowercase().starts_with("error: ") && first.contains(named), "{variable}={value}: {stderr}");
    }
}
