//! A connection whose other end has so long to take what is sent to it. Whoever never reads is cut off, and keeps nothing.
//!
//! It is closed in stages (RFC 9112, section 9.6): what still comes after the last answer is read and let go for a moment, since closing on it
//! would reset the connection, and a caller that is still sending could lose the answer that says why nobody reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// A connection that is written to with patience, but not for ever.
#[derive(Debug)]
pub(super) struct Patient {
    tcp: TcpStream,
    limit: Duration,
    // Since something could not be sent; until all of it was.
    waits: Option<Pin<Box<Sleep>>>,
    // Since everything was sent, and no more will be: until nothing came for a while, and at the longest.
    lingers: Option<[Pin<Box<Sleep>>; 2]>,
}

/// How long what still comes is let go before a connection is closed on it: for so long after the last of it, and in all.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_IN_ALL: Duration = Duration::from_secs(10);

impl Patient {
    pub(super) fn new(tcp: TcpStream, limit: Duration) -> Self {
        Self { tcp, limit, waits: None, lingers: None }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// A write that goes on, or waits within the limit. Taking a little now and then is not enough: only a flush ends the wait.
    fn bounded<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let written = write(Pin::new(&mut self.tcp), cx);
        let limit = self.limit;
        if written.is_pending() {
            let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(limit)));
            ready!(waits.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads what is sent")));
        }
        written
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.bounded(cx, |tcp, cx| tcp.poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.bounded(cx, |tcp, cx| tcp.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.as_mut().bounded(cx, AsyncWrite::poll_flush);
        if flushed.is_ready() {
            self.waits = None;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingers.is_none() {
            ready!(self.as_mut().bounded(cx, AsyncWrite::poll_shutdown))?;
        }
        let this = &mut *self;
        let mut lost = [0; 8 * 1024];
        let [quiet, most] = this.lingers.get_or_insert_with(|| [LINGER, LINGER_IN_ALL].map(|time| Box::pin(sleep(time))));
        loop {
            // First the time: whoever sends without end is not read without end.
            if quiet.as_mut().poll(cx).is_ready() || most.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut into = ReadBuf::new(&mut lost);
            let read = ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut into));
            if read.is_err() || into.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            *quiet = Box::pin(sleep(LINGER));
        }
    }
}
