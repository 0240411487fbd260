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

#[test]
fn the_language_with_the_greatest_weight_among_those_that_there_are() {
    for (lines, expected) in [
        (&[][..], None),
        (&["de-AT, de;q=0.9, en;q=0.8"], Some("de")),
        (&["tlh, fr;q=0.7, en;q=0.8"], Some("en")),
        (&["en;q=0.5, ja;q=0.5"], Some("en")),
        (&["en;q=0.5", "ja"], Some("ja")),
        (&["zh-TW"], Some("zh-Hant")),
        (&["de;q=0"], None),
        (&["*"], None),
        (&["de;q=x, \u{fc}"], None),
    ] {
        assert_eq!(
            Preferences::of(&headers(header::ACCEPT_LANGUAGE, lines)).language.map(Language::tag),
            expected,
            "{lines:?}"
        );
    }
}

#[test]
fn what_was_chosen_on_a_page_comes_first() {
    for (cookie, expected) in [
        ("sluice_language=ar", "ar"),
        ("a=b; sluice_language=tlh; sluice_language=pl", "pl"),
        ("sluice_language=../../etc", "de"),
        ("sluice_languages=ar", "de"),
    ] {
        let mut headers = headers(header::ACCEPT_LANGUAGE, &["de"]);
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        assert_eq!(Preferences::of(&headers).language.map(Language::tag), Some(expected), "{cookie}");
    }
}

#[test]
fn a_language_beyond_the_64th_is_not_read() {
    let list = format!("{}de", "tlh,".repeat(64));
    let headers: HeaderMap = [(header::ACCEPT_LANGUAGE, list.parse().unwrap())].into_iter().collect();
    assert_eq!(Preferences::of(&headers).language, None);
}
