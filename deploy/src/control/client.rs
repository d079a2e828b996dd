//! The end of the one who asks.

use super::{Event, Request};
use crate::error::Error;
use crate::folder::Folder;
use crate::live_line::LiveLine;
use crate::progress;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Asks the supervisor of a folder's fleet, shows what it tells, and returns what it says at the end.
pub(crate) async fn ask(folder: &Folder, request: &Request) -> Result<String, Error> {
    let path = folder.control_socket();
    let stream = UnixStream::connect(&path).await.map_err(|error| nobody_there(folder, error))?;
    let (reader, mut writer) = stream.into_split();
    writer.write_all(format!("{}\n", request.line()).as_bytes()).await.map_err(|_| Error::SupervisorLost)?;
    let mut events = BufReader::new(reader).lines();
    let mut live = LiveLine::new();
    while let Ok(Some(line)) = events.next_line().await {
        let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
        if let Event::Progress { text } = &event {
            live.show(text);
            continue;
        }
        live.clear();
        if let Some(line) = event.line() {
            progress::line(line);
        }
        match event {
            Event::Done { text } => return Ok(text),
            Event::Failed { reason, details } => {
                details.iter().for_each(progress::explanation);
                return Err(Error::Failed(reason));
            }
            Event::Step { .. } | Event::Progress { .. } => {}
        }
    }
    Err(Error::SupervisorLost)
}

/// Why nobody takes requests in this folder.
fn nobody_there(folder: &Folder, error: io::Error) -> Error {
    let path = || folder.path().to_owned();
    let is_absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    if !is_absent {
        return Error::File { path: folder.control_socket(), source: error };
    }
    if folder.path().is_dir() && folder.is_locked() {
        Error::FleetBusy(path())
    } else if folder.state_file().exists() {
        Error::SupervisorKilled(path())
    } else {
        Error::NoFleet(path())
    }
}
