//! Frames of HTTP/2 as bytes: what no well-behaved client would let one write.

/// What every connection begins with.
pub(in crate::floods) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of what stands before each payload, in bytes.
pub(in crate::floods) const HEAD_BYTES: usize = 9;

/// Kinds of frames, as they are numbered.
pub(in crate::floods) mod kind {
    pub(in crate::floods) const DATA: u8 = 0;
    pub(in crate::floods) const HEADERS: u8 = 1;
    pub(in crate::floods) const PRIORITY: u8 = 2;
    pub(in crate::floods) const RST_STREAM: u8 = 3;
    pub(in crate::floods) const SETTINGS: u8 = 4;
    pub(in crate::floods) const PING: u8 = 6;
    pub(in crate::floods) const GOAWAY: u8 = 7;
    pub(in crate::floods) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::floods) const CONTINUATION: u8 = 9;
}

pub(in crate::floods) const ACK: u8 = 0x1;
pub(in crate::floods) const END_STREAM: u8 = 0x1;
pub(in crate::floods) const END_HEADERS: u8 = 0x4;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(in crate::floods) const INITIAL_WINDOW_SIZE: u16 = 4;
/// The largest window, in bytes.
pub(in crate::floods) const WINDOW_MAX: u32 = (1 << 31) - 1;
/// `CANCEL`.
pub(in crate::floods) const CANCEL: u32 = 8;

/// Appends frames.
pub(in crate::floods) trait Frames {
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]);

    fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| name.to_be_bytes().into_iter().chain(value.to_be_bytes()))
            .collect();
        self.frame(kind::SETTINGS, 0, 0, &payload);
    }

    fn reset(&mut self, stream: u32) {
        self.frame(kind::RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
    }

    fn window_update(&mut self, stream: u32, by: u32) {
        self.frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    }

    /// A whole request without a body.
    fn whole_request(&mut self, stream: u32, host: &str) {
        self.frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &request(b'\x82', host));
    }

    /// A request whose body is still to come.
    fn open_request(&mut self, stream: u32, host: &str) {
        self.frame(kind::HEADERS, END_HEADERS, stream, &request(b'\x83', host));
    }
}

impl Frames for Vec<u8> {
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        // Longer ones are not written here.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.extend_from_slice(&length[1..]);
        self.extend_from_slice(&[kind, flags]);
        self.extend_from_slice(&stream.to_be_bytes());
        self.extend_from_slice(payload);
    }
}

/// The fields of a request for `/`, of which no table is needed but the static one.
pub(in crate::floods) fn request(method: u8, host: &str) -> Vec<u8> {
    // Indexed: the method, `:scheme: https` and `:path: /`. Not to be indexed: `:authority`.
    let mut block = vec![method, 0x87, 0x84, 0x01];
    text(&mut block, host);
    block
}

/// A field with a name of its own that enters no table.
pub(in crate::floods) fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x00);
    text(block, name);
    text(block, value);
}

/// A text without Huffman coding.
pub(in crate::floods) fn text(block: &mut Vec<u8>, text: &str) {
    /// Shorter lengths fit in seven bits.
    const SHORT: usize = 127;
    let mut rest = text.len();
    if rest < SHORT {
        block.push(rest.to_le_bytes()[0]);
    } else {
        block.push(0x7f);
        rest -= SHORT;
        while rest >= 128 {
            block.push(0x80 | (rest.to_le_bytes()[0] & 0x7f));
            rest >>= 7;
        }
        block.push(rest.to_le_bytes()[0]);
    }
    block.extend_from_slice(text.as_bytes());
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::floods) struct Head {
    pub(in crate::floods) length: usize,
    pub(in crate::floods) kind: u8,
    pub(in crate::floods) flags: u8,
    pub(in crate::floods) stream: u32,
}

impl Head {
    pub(in crate::floods) fn parse(bytes: [u8; HEAD_BYTES]) -> Self {
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = bytes;
        Self {
            length: usize::from(l2) << 16 | usize::from(l1) << 8 | usize::from(l0),
            kind,
            flags,
            // The highest bit is reserved.
            stream: u32::from_be_bytes([s3 & 0x7f, s2, s1, s0]),
        }
    }
}

/// The name of an error code, as RFC 9113 has it.
pub(in crate::floods) fn code_name(code: u32) -> String {
    format!("{:?}", h2::Reason::from(code))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[test]
    fn what_is_written_is_what_is_parsed() {
        let mut bytes = Vec::new();
        bytes.window_update(7, 5);
        let head = Head::parse(bytes[..HEAD_BYTES].try_into().unwrap());
        assert_eq!(head, Head { length: 4, kind: kind::WINDOW_UPDATE, flags: 0, stream: 7 });
        assert_eq!(bytes[HEAD_BYTES..], [0, 0, 0, 5]);
    }

    #[tokio::test]
    async fn a_server_takes_the_requests_that_are_written_for_requests() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let mut bytes = PREFACE.to_vec();
        bytes.settings(&[(INITIAL_WINDOW_SIZE, 0)]);
        bytes.whole_request(1, "a.example");
        bytes.open_request(3, "a.example");
        let mut block = request(0x82, "a.example");
        field(&mut block, "x-long", &"v".repeat(1_000));
        bytes.frame(kind::HEADERS, END_HEADERS | END_STREAM, 5, &block);
        client.write_all(&bytes).await.unwrap();
        let mut connection = h2::server::Builder::new().handshake::<_, Bytes>(server).await.unwrap();
        for (method, length) in [("GET", 0), ("POST", 0), ("GET", 1_000)] {
            let (request, _) = connection.accept().await.unwrap().unwrap();
            assert_eq!(
                (request.method().as_str(), request.uri().to_string()),
                (method, "https://a.example/".to_owned())
            );
            assert_eq!(request.headers().get("x-long").map_or(0, |value| value.len()), length);
        }
    }
}
