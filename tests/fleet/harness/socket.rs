//! A WebSocket of a visitor.

use super::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// An open WebSocket at a stub's `…/ws`.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens it at an `http://` URL.
    pub(crate) async fn open(url: &str) -> Self {
        let url = url.replacen("http://", "ws://", 1);
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    /// That what is said comes back.
    pub(crate) async fn assert_echoes(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
        let echo = tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap();
        assert_eq!(echo.unwrap().unwrap().into_text().unwrap(), text);
    }

    /// Waits for the other side's Close frame, and gives its code.
    pub(crate) async fn closed(mut self) -> u16 {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap();
        match next {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("no Close frame with a code, but {other:?}"),
        }
    }
}
