//! Where log lines go. A system call for each of them would cost a page a tenth of its time: what can wait is written
//! once every request was seen to that could be by now, by one call for all.
//!
//! A process that is killed meanwhile takes along what waits: lines of answers that it was about to send.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::lines::Urgency;

/// No more than this waits.
const BYTES: usize = 16 * 1024;

/// Lines that wait, and how they are written.
pub(super) struct Output<W>(Arc<Inner<W>>);

struct Inner<W> {
    waiting: Mutex<Vec<u8>>,
    write: W,
}

impl<W: Fn(&[u8]) + Send + Sync + 'static> Output<W> {
    pub(super) fn new(write: W) -> Self {
        Self(Arc::new(Inner { waiting: Mutex::default(), write }))
    }

    /// Writes `line`, after all that came before it.
    pub(super) fn write(&self, line: &[u8], urgency: Urgency) {
        let mut waiting = self.0.waiting();
        let is_first = waiting.is_empty();
        waiting.extend_from_slice(line);
        if urgency == Urgency::Now || waiting.len() > BYTES {
            return self.0.flush(&mut waiting);
        }
        if is_first {
            match Handle::try_current() {
                // Its turn comes after the tasks that are ready now.
                Ok(runtime) => {
                    let output = self.0.clone();
                    mem::drop(runtime.spawn(async move { output.flush(&mut output.waiting()) }));
                }
                Err(_) => self.0.flush(&mut waiting),
            }
        }
    }
}

impl<W: Fn(&[u8])> Inner<W> {
    fn flush(&self, waiting: &mut Vec<u8>) {
        if !waiting.is_empty() {
            (self.write)(waiting);
            waiting.clear();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Written = Arc<Mutex<Vec<String>>>;

    fn output(written: &Written) -> Output<impl Fn(&[u8]) + Send + Sync + 'static> {
        let to = written.clone();
        Output::new(move |lines| to.lock().unwrap().push(String::from_utf8_lossy(lines).into_owned()))
    }

    #[tokio::test]
    async fn what_can_wait_is_written_at_once_and_in_order() {
        let written = Written::default();
        let output = output(&written);
        output.write(b"1\n", Urgency::Soon);
        output.write(b"2\n", Urgency::Soon);
        assert!(written.lock().unwrap().is_empty());
        tokio::task::yield_now().await;
        assert_eq!(*written.lock().unwrap(), ["1\n2\n"]);
        output.write(b"3\n", Urgency::Soon);
        output.write(b"4\n", Urgency::Now);
        assert_eq!(written.lock().unwrap().last().unwrap(), "3\n4\n");
        output.write(&[b'5'; BYTES + 1], Urgency::Soon);
        assert_eq!(written.lock().unwrap().len(), 3, "so much does not wait");
    }

    #[test]
    fn without_a_runtime_nothing_waits() {
        let written = Written::default();
        let output = output(&written);
        output.write(b"1\n", Urgency::Soon);
        assert_eq!(*written.lock().unwrap(), ["1\n"]);
    }
}
