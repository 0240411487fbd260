#![allow(clippy::unwrap_used, reason = "a test that panics has told its tale")]

use super::*;

fn headers(name: HeaderName, lines: &[&'static str]) -> HeaderMap {
    lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect()
}

#[test]
fn the_encoding_with_the_greatest_weight_and_of_several_the_smallest() {
    for (lines, expected) in [
        (&[][..], Encoding::Identity),
        (&[""], Encoding::Identity),
        (&["gzip, deflate, br, zstd"], Encoding::Brotli),
        (&["gzip, deflate"], Encoding::Gzip),
        (&["gzip", "br"], Encoding::Brotli),
        (&["GZIP"], Encoding::Gzip),
        (&["br;q=0.5, gzip;q=0.8"], Encoding::Gzip),
        (&["br;q=0, *"], Encoding::Gzip),
        (&["*;q=0.1"], Encoding::Brotli),
        (&["identity, br;q=0.5"], Encoding::Identity),
        (&["br;q=0"], Encoding::Identity),
        (&["*;q=0"], Encoding::Identity),
        (&["br;q=2, gzip;q=often"], Encoding::Identity),
        (&["deflate, zstd"], Encoding::Identity),
        (&["x-br, brotli"], Encoding::Identity),
    ] {
        assert_eq!(encoding(&headers(header::ACCEPT_ENCODING, lines)), expected, "{lines:?}");
    }
}
