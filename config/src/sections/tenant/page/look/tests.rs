use crate::{
    diagnostics::Kind,
    settings::{Link, Logo},
    testing::{Dir, ORIGIN, QUEUE, TENANT, tenant},
};

fn page(lines: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, "[page]\n", lines, "\n"]))
}

#[test]
fn every_key() {
    let dir = page(
        "name = \"Shop\"\nlogo = \"shop.svg\"\nfont = \"Georgia, 'Times New Roman', serif\"\ncss = \"shop.css\"\n\
         links = [{ text = \"Help\", url = \"https://help.example.com/?a=b\" }]",
    );
    let dir = dir.with_bytes("shop.svg", b"<svg/>").with_bytes("shop.css", b"h1 { font-style: italic }\n");
    let look = dir.only_tenant().page.look;
    assert_eq!(look.name.as_deref(), Some("Shop"));
    assert_eq!(look.logo, Some(Logo { media_type: "image/svg+xml", bytes: b"<svg/>".to_vec() }));
    assert_eq!(look.font.as_deref(), Some("Georgia, 'Times New Roman', serif"));
    assert_eq!(look.css.as_deref(), Some("h1 { font-style: italic }\n"));
    assert_eq!(look.links, [Link { text: "Help".into(), url: "https://help.example.com/?a=b".into() }]);
}

#[test]
fn a_logo_is_a_small_picture_by_its_content() {
    let logo = |bytes: &[u8]| page("logo = «\"logo\"»").with_bytes("logo", bytes);
    for (bytes, media_type) in [
        (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x01\0\0\0WEBPVP8 ", "image/webp"),
        (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml"),
    ] {
        assert_eq!(logo(bytes).only_tenant().page.look.logo.unwrap().media_type, media_type);
    }
    logo(b"<html>").is_wrong(Kind::Malformed, "no picture", "as SVG");
    logo(b"").is_wrong(Kind::Malformed, "no picture", "as SVG");
    logo(&[b'x'; (6 << 10) + 1]).is_wrong(Kind::Unreadable, "larger than 6 KiB", "at most 6 KiB");
    page("logo = «\"nowhere.svg\"»").is_wrong(Kind::Unreadable, "nowhere.svg cannot be read", "at most 6 KiB");
}

#[test]
fn rules_stay_within_their_element() {
    let css = |bytes: &[u8]| page("css = «\"a.css\"»").with_bytes("a.css", bytes);
    css(b"a{} </STYLE ><script>").is_wrong(Kind::Malformed, "end their own element", "</style");
    css(b"\xff").is_wrong(Kind::Malformed, "not UTF-8", "UTF-8");
    css(b"a{}\r\n").is_wrong(Kind::Malformed, "as others", "line feed");
    css(&[b' '; (8 << 10) + 1]).is_wrong(Kind::Unreadable, "larger than 8 KiB", "at most 8 KiB");
}

#[test]
fn hostile_words_are_refused() {
    for font in ["a;b", "a}b", "url(x)", "'a", "a\\\\b", "</style>"] {
        page(&format!("font = «\"{font}\"»")).is_wrong(Kind::Malformed, "not a list of font families", "Georgia");
    }
    for url in ["javascript:alert(1)", "http://a.example/", "//a.example/", "https://", "https://a b", "/a"] {
        page(&format!("links = [{{ text = \"a\", url = «\"{url}\"» }}]")).is_wrong(
            Kind::Malformed,
            "not an address",
            "https://",
        );
    }
    page("name = «\" \"»").is_wrong(Kind::Malformed, "not a label", "1 to 60");
    page("name = «\"a\\nb\"»").is_wrong(Kind::Malformed, "not a label", "1 to 60");
}
