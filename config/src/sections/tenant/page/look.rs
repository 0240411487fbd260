//! What a tenant's pages look like beside their colours: name, logo, font, style and links.

use crate::{
    declare::{Key, List, Looks, Nested, Optional, Required, Section, Table, Text, Value},
    diagnostics::{Kind, Read, Wrong},
    outside::{Outside, read_bounded},
};

/// What a tenant's pages look like beside their colours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What the site is called; `None`: its host.
    pub name: Option<String>,
    /// Shown above the name.
    pub logo: Option<Logo>,
    /// A list of font families as CSS has it.
    pub font: Option<String>,
    /// Rules behind ours. Never ends the element that it stands in.
    pub css: Option<String>,
    /// At the foot of the page.
    pub links: Vec<Link>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Its media type.
    pub media_type: &'static str,
    /// The file as it is.
    pub bytes: Vec<u8>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What is written.
    pub text: String,
    /// An address that begins with `https://`.
    pub url: String,
}

// In base64 and compressed it takes as much again, and a page goes out in the first flight of packets: 14 kB.
const LOGO_BYTES_MAX: usize = 6 << 10;
const CSS_BYTES_MAX: usize = 8 << 10;
const NAME_CHARS_MAX: usize = 60;
const URL_BYTES_MAX: usize = 300;

pub(super) static NAME: Key<Text<String>, Optional> = Key {
    name: "name",
    doc: "What the site is called, in the place of its host",
    kind: Text { parse: label, looks: Looks::Chars(1..=NAME_CHARS_MAX) },
    absent: Optional("the host"),
};

pub(super) static LOGO: Key<Text<String>, Optional> = Key {
    name: "logo",
    doc: "SVG, PNG, WebP or JPEG file, from the config folder, at most 6 KiB: it travels within the page",
    kind: Text { parse: path, looks: Looks::Any("a path") },
    absent: Optional("none"),
};

pub(super) static FONT: Key<Text<String>, Optional> = Key {
    name: "font",
    doc: "Font families that visitors' devices have, as CSS lists them, such as `\"Georgia, serif\"`; nothing is loaded",
    kind: Text {
        parse: font,
        looks: Looks::Pattern("^[A-Za-z0-9 ,'_-]{1,200}$", "1 to 200 of `A-Z a-z 0-9 , ' _ -` and spaces"),
    },
    absent: Optional("the device's own"),
};

pub(super) static CSS: Key<Text<String>, Optional> = Key {
    name: "css",
    doc: "CSS file, from the config folder, at most 8 KiB, whose rules come behind ours; it can load nothing",
    kind: Text { parse: path, looks: Looks::Any("a path") },
    absent: Optional("none"),
};

pub(super) static LINKS: Key<List<Nested>, Optional> = Key {
    name: "links",
    doc: "Links at the foot of the page; they open in a tab of their own",
    kind: List {
        entries: 1..=5,
        each: Nested { section: &LINK, example: "{ text = \"Help\", url = \"https://help.example.com/\" }" },
    },
    absent: Optional("none"),
};

static LINK: Section = Section {
    name: "a link",
    doc: "A link at the foot of the page",
    may_hold_secrets: false,
    keys: &[&LINK_TEXT, &URL],
};

static LINK_TEXT: Key<Text<String>> = Key {
    name: "text",
    doc: "What is written",
    kind: Text { parse: label, looks: Looks::Chars(1..=NAME_CHARS_MAX) },
    absent: Required("write `text = \"Help\"`"),
};

static URL: Key<Text<String>> = Key {
    name: "url",
    doc: "An address that begins with `https://`",
    kind: Text { parse: url, looks: Looks::Pattern("^https://[!-~]{1,292}$", "at most 300 bytes") },
    absent: Required("write `url = \"https://help.example.com/\"`"),
};

pub(super) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Look> {
    let name = table.read(&NAME);
    let logo = table.read_with(&LOGO, |value| logo(value, outside));
    let font = table.read(&FONT);
    let css = table.read_with(&CSS, |value| css(value, outside));
    let links = table.read_with(&LINKS, |value| {
        LINKS.kind.read_each(value, |entry| {
            LINKS.kind.each.read(entry, |link| {
                let (text, url) = (link.read(&LINK_TEXT), link.read(&URL));
                Ok(Link { text: text?, url: url? })
            })
        })
    });
    Ok(Look { name: name?, logo: logo?, font: font?, css: css?, links: links?.unwrap_or_default() })
}

fn file(value: Value<'_>, outside: &Outside<'_>, bytes_max: usize, help: &str) -> Read<Vec<u8>> {
    let written = value.text(path)?;
    let opened = outside.open(&written);
    opened.content.and_then(|(file, _)| read_bounded(file, bytes_max)).map_err(|error| {
        let message = format!("{} cannot be read: {error}", opened.path.display());
        value.wrong(Wrong::new(Kind::Unreadable, message, help.to_owned()))
    })
}

fn logo(value: Value<'_>, outside: &Outside<'_>) -> Read<Logo> {
    let help = "name a picture of at most 6 KiB: as SVG, or as WebP at twice the size at which it is shown";
    let bytes = file(value, outside, LOGO_BYTES_MAX, help)?;
    let media_type = match &*bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        text if str::from_utf8(text).is_ok_and(|text| text.trim_start().starts_with('<') && text.contains("<svg")) => {
            Some("image/svg+xml")
        }
        _ => None,
    };
    match media_type {
        Some(media_type) => Ok(Logo { media_type, bytes }),
        None => Err(value.wrong(Wrong::malformed("the file is no picture that pages can show", help))),
    }
}

fn css(value: Value<'_>, outside: &Outside<'_>) -> Read<String> {
    let bytes = file(value, outside, CSS_BYTES_MAX, "name a CSS file of at most 8 KiB")?;
    let text = String::from_utf8(bytes)
        .map_err(|_| value.wrong(Wrong::malformed("the file is not UTF-8", "save it as UTF-8")))?;
    if text.to_ascii_lowercase().contains("</style") {
        return Err(value.wrong(Wrong::malformed("the rules would end their own element", "leave out `</style`")));
    }
    if text.contains('\0') || text.contains('\r') {
        return Err(value.wrong(Wrong::malformed(
            "the file has characters that browsers read as others",
            "end its lines with a line feed alone, and leave out NUL",
        )));
    }
    Ok(text)
}

fn label(written: &str) -> Result<String, Wrong> {
    let chars = written.chars().count();
    if written.trim().is_empty() || chars > NAME_CHARS_MAX || written.chars().any(char::is_control) {
        return Err(Wrong::malformed("not a label", format!("write 1 to {NAME_CHARS_MAX} characters on one line")));
    }
    Ok(written.to_owned())
}

fn path(written: &str) -> Result<String, Wrong> {
    if written.is_empty() { Err(Wrong::malformed("the path is empty", "name a file")) } else { Ok(written.to_owned()) }
}

fn font(written: &str) -> Result<String, Wrong> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | ',' | '\'' | '_' | '-');
    // An open quote would swallow what comes behind.
    let quotes_close = written.matches('\'').count().is_multiple_of(2);
    if written.trim().is_empty() || written.len() > 200 || !written.chars().all(fits) || !quotes_close {
        return Err(Wrong::malformed(
            "not a list of font families",
            "write it like \"Georgia, 'Times New Roman', serif\"",
        ));
    }
    Ok(written.to_owned())
}

fn url(written: &str) -> Result<String, Wrong> {
    let fits = written.len() <= URL_BYTES_MAX && written.bytes().all(|b| b.is_ascii_graphic());
    match written.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() && fits => Ok(written.to_owned()),
        _ => Err(Wrong::malformed(
            "not an address that a link can have",
            "write it whole, such as \"https://help.example.com/\"",
        )),
    }
}

#[cfg(test)]
mod tests;
