//! What two processes of a node say to each other: words as JSON behind their length, and listeners.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::UnixStream,
};

/// Longest word: the mistakes of a large config.
const WORD_BYTES_MAX: u32 = 1 << 20;

/// One end of a stream between two processes.
#[derive(Debug)]
pub(super) struct Link(UnixStream);

impl Link {
    /// Two ends, of which the second is for the other process. Needs a tokio context.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        Ok((Self::over(ours.into())?, theirs.into()))
    }

    /// The end at a descriptor. Needs a tokio context.
    pub(super) fn over(end: OwnedFd) -> io::Result<Self> {
        let stream = StdUnixStream::from(end);
        stream.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(stream)?))
    }

    pub(super) async fn say(&mut self, word: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_vec(word)?;
        let len = u32::try_from(text.len()).ok().filter(|len| *len <= WORD_BYTES_MAX);
        self.0.write_u32_le(len.ok_or(io::ErrorKind::FileTooLarge)?).await?;
        self.0.write_all(&text).await
    }

    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let len = self.0.read_u32_le().await?;
        if len > WORD_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a word that is too long"));
        }
        let mut text = vec![0; len as usize];
        self.0.read_exact(&mut text).await?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Hands a listener over; this process keeps its own handle.
    pub(super) async fn hand(&self, listener: &TcpListener) -> io::Result<()> {
        let descriptors = [listener.as_fd()];
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
            sendmsg(&self.0, &[IoSlice::new(b"L")], &mut control, SendFlags::NOSIGNAL).map_err(io::Error::from)
        };
        self.0.async_io(Interest::WRITABLE, send).await.map(drop)
    }

    /// Takes a listener that is handed over.
    pub(super) async fn take(&self) -> io::Result<TcpListener> {
        let receive = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
            let mut descriptors = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            });
            descriptors.next().and_then(|mut descriptors| descriptors.next()).ok_or(io::ErrorKind::UnexpectedEof.into())
        };
        Ok(self.0.async_io(Interest::READABLE, receive).await?.into())
    }

    pub(super) fn into_stream(self) -> UnixStream {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn words_and_listeners_arrive_in_order() {
        let (mut ours, theirs) = Link::pair().unwrap();
        let mut theirs = Link::over(theirs).unwrap();
        let listeners = [0, 0].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        ours.say(&("two", 2)).await.unwrap();
        for listener in &listeners {
            ours.hand(listener).await.unwrap();
        }
        ours.say(&"end").await.unwrap();
        assert_eq!(theirs.hear::<(String, u32)>().await.unwrap(), ("two".to_owned(), 2));
        for listener in &listeners {
            let taken = theirs.take().await.unwrap();
            assert_eq!(taken.local_addr().unwrap(), listener.local_addr().unwrap());
        }
        assert_eq!(theirs.hear::<String>().await.unwrap(), "end");
        drop(ours);
        assert_eq!(theirs.hear::<String>().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_word_that_is_none_or_too_long_is_an_error_and_takes_no_memory() {
        for bytes in [&[4, 0, 0, 0, b'{', b'{', b'{', b'{'][..], &[255, 255, 255, 255]] {
            let (ours, theirs) = Link::pair().unwrap();
            let mut theirs = Link::over(theirs).unwrap();
            ours.into_stream().write_all(bytes).await.unwrap();
            assert!(theirs.hear::<String>().await.is_err());
        }
    }

    #[tokio::test]
    async fn something_else_in_the_place_of_a_listener_is_an_error() {
        let (mut ours, theirs) = Link::pair().unwrap();
        ours.say(&"none").await.unwrap();
        assert!(Link::over(theirs).unwrap().take().await.is_err());
    }
}
