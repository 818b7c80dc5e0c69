//! The stream under a connection: it gives up a client that does not read, lingers until its last answer is read, and
//! puts a problem document where the HTTP library refuses a malformed head with an empty answer.
//!
//! The library answers what it cannot parse by itself: a status line 400, 414 or 431 and no body. No answer of ours of
//! these statuses is empty, so such a one is recognised by its bytes and replaced, once, before the connection ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::problem::{MEDIA_TYPE, Problem, ProblemKind};

/// A stream that speaks for the library's refusals and does not wait for ever to be read.
pub struct WatchedStream<S> {
    inner: S,
    /// Time that a write may stand still.
    stall: Duration,
    deadline: Pin<Box<Sleep>>,
    is_stalled: bool,
    /// What is still to be written in place of a bare refusal.
    replacement: Vec<u8>,
    /// How much the writer believes to have written when the replacement is out.
    replaced: usize,
    /// Of a stream that was shut down: how much may still be thrown away.
    linger: Option<usize>,
}

/// Time and bytes for which a closed connection still takes what the client sends, and throws it away: closing with
/// bytes unread would reset the connection, and the client would lose the answer that tells it why.
const LINGER_TIME_MAX: Duration = Duration::from_secs(1);
/// See [`LINGER_TIME_MAX`].
const LINGER_BYTES_MAX: usize = 1 << 20;

impl<S> WatchedStream<S> {
    /// Watches a stream.
    pub fn new(inner: S, stall: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(stall));
        Self { inner, stall, deadline, is_stalled: false, replacement: Vec::new(), replaced: 0, linger: None }
    }
}

/// The problem that says what a bare refusal means, if the bytes are one.
fn bare_refusal(bytes: &[u8]) -> Option<ProblemKind> {
    let kind = match bytes.get(..12)? {
        b"HTTP/1.1 400" | b"HTTP/1.0 400" => ProblemKind::RequestMalformed,
        b"HTTP/1.1 414" | b"HTTP/1.0 414" => ProblemKind::TargetTooLong,
        b"HTTP/1.1 431" | b"HTTP/1.0 431" => ProblemKind::HeadersTooLarge,
        _ => return None,
    };
    let is_empty = memchr::memmem::find(bytes, b"\r\ncontent-length: 0\r\n").is_some();
    (is_empty && bytes.ends_with(b"\r\n\r\n")).then_some(kind)
}

/// A whole answer that ends the connection.
fn refusal(kind: ProblemKind) -> Vec<u8> {
    let body = Problem::from(kind).body();
    let (code, reason) = (kind.status().as_str().to_owned(), kind.status().canonical_reason().unwrap_or("Refused"));
    let mut answer = format!(
        "HTTP/1.1 {code} {reason}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    answer
}

impl<S: AsyncWrite + Unpin> WatchedStream<S> {
    fn write_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while !self.replacement.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.replacement))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.replacement.drain(..written);
        }
        Poll::Ready(Ok(std::mem::take(&mut self.replaced)))
    }

    /// Lets a write stand still for a while, not for ever.
    fn patience<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.is_stalled = false;
            return result;
        }
        if !self.is_stalled {
            self.is_stalled = true;
            let until = Instant::now() + self.stall;
            self.deadline.as_mut().reset(until);
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.replaced == 0
            && let Some(kind) = bare_refusal(bytes)
        {
            this.replacement = refusal(kind);
            this.replaced = bytes.len();
        }
        let result = match this.replaced {
            0 => Pin::new(&mut this.inner).poll_write(cx, bytes),
            _ => this.write_replacement(cx),
        };
        this.patience(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if self.replaced != 0 || first.is_some_and(|slice| bare_refusal(slice).is_some()) {
            return self.poll_write(cx, first.map_or(&[], |slice| slice));
        }
        let this = &mut *self;
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.patience(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let result = Pin::new(&mut this.inner).poll_flush(cx);
        this.patience(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            let result = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.patience(cx, result))?;
            this.linger = Some(LINGER_BYTES_MAX);
            this.deadline.as_mut().reset(Instant::now() + LINGER_TIME_MAX);
        }
        this.throw_away(cx).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> WatchedStream<S> {
    /// Reads until the client closes too, or has had its time; whatever happens now is no error any more.
    fn throw_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        while let Some(left @ 1..) = self.linger {
            if self.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.linger = Some(left.saturating_sub(buf.filled().len())),
                _ => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn through(bytes: &[u8]) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(16);
        let mut stream = WatchedStream::new(near, Duration::from_secs(5));
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move { stream.write_all(&bytes).await });
        let mut arrived = Vec::new();
        // The stream is dropped by its writer when all is written; nothing is shut down here.
        far.read_to_end(&mut arrived).await.unwrap();
        writing.await.unwrap().unwrap();
        arrived
    }

    #[tokio::test]
    async fn bare_refusals_become_problems() {
        let kinds = [ProblemKind::RequestMalformed, ProblemKind::TargetTooLong, ProblemKind::HeadersTooLarge];
        for kind in kinds {
            let status = kind.status();
            let bare = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n");
            assert_eq!(through(bare.as_bytes()).await, refusal(kind));
        }
    }

    #[tokio::test]
    async fn everything_else_passes() {
        for text in [
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 4",
        ] {
            assert_eq!(through(text.as_bytes()).await, text.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up() {
        let (near, _far) = tokio::io::duplex(4);
        let mut stream = WatchedStream::new(near, Duration::from_millis(20));
        let error = stream.write_all(b"more than four bytes").await.map_err(|e| e.kind());
        assert_eq!(error, Err(io::ErrorKind::TimedOut));
    }
}
