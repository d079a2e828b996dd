//! A Postgres server of the tests' own, out of Debian's package, in a temporary folder, reached by a Unix socket.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// Shared by the tests that run at a time; it ends with the last of them.
static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// A running server.
#[derive(Debug)]
pub(super) struct Postgres {
    folder: TempDir,
    server: Child,
    databases: AtomicU32,
}

impl Postgres {
    pub(super) fn running() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = running.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *running = Arc::downgrade(&server);
        server
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let quiet = |mut command: Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let mut initdb = program("initdb");
        initdb.args(["--auth=trust", "--no-sync", "--username=postgres", "--pgdata"]).arg(&data);
        assert!(quiet(initdb).success(), "initdb failed");
        let mut server = program("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-c", "listen_addresses="]);
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while !quiet_ready(folder.path()) {
            assert!(begun.elapsed() < Duration::from_secs(30), "Postgres does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { folder, server, databases: AtomicU32::new(0) }
    }

    /// The URL of an empty database.
    pub(super) async fn new_database(&self) -> String {
        let name = format!("shop{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.path().display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = program("pg_ctl");
        stop.arg("-D").arg(self.folder.path().join("data")).args(["stop", "-m", "immediate"]);
        let _stopped = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ended = self.server.wait();
    }
}

fn quiet_ready(socket: &Path) -> bool {
    let mut ready = program("pg_isready");
    ready.arg("-q").arg("-h").arg(socket);
    ready.status().is_ok_and(|status| status.success())
}

/// A program of the package; as its own user, since the server refuses to run as root.
fn program(name: &str) -> Command {
    let mut command = Command::new(folder_of_programs().join(name));
    command.current_dir("/");
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

fn folder_of_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("Debian's package postgresql is installed");
    let mut versions: Vec<_> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    versions.sort();
    versions.pop().expect("Debian's package postgresql is installed")
}

/// User and group of the package, for who is root.
fn other_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> u32 {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().expect("there is such a user")
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}
