//! A TCP connection that a handler can reset in the middle of an exchange.
//!
//! HTTP has no answer that means "the connection broke", so the handler pulls a [`Lever`] and the
//! stream resets the connection (RST, not FIN) instead of writing the answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Resets the connection it belongs to.
#[derive(Debug, Clone, Default)]
pub struct Lever(Arc<AtomicBool>);

/// A TCP stream that can be reset by its lever.
#[derive(Debug)]
pub struct SeverableStream {
    stream: TcpStream,
    lever: Lever,
}

impl Lever {
    /// Whatever is written to the connection from now on resets it.
    pub fn pull(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl SeverableStream {
    /// The stream, and its lever.
    pub fn new(stream: TcpStream) -> (Self, Lever) {
        // An answer is one small write: waiting for more would only delay it. A connection that is
        // already gone refuses the option, and its first read will say so.
        let _ = stream.set_nodelay(true);
        let lever = Lever::default();
        (Self { stream, lever: lever.clone() }, lever)
    }

    fn check(&self) -> io::Result<()> {
        if self.lever.0.load(Ordering::Acquire) {
            self.stream.set_zero_linger()?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for SeverableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SeverableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
