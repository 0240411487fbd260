//! How a page travels.

use super::*;

/// As long as they get, with names of twenty letters.
const SLIP: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJzbHVpY2Utc2xpcCJ9.eyJ0IjoiYS10ZW5hbnQtb2YtdHdlbnR5LSIsInEiOi\
    JhLXF1ZXVlLW9mLXR3ZW50eS0tIiwiZCI6MTg0NDY3NDQwNzM3MDk1NTE2MTUsImkiOjE3NjM3MTIwMDAwMDB9.NY8gbBl1SX0pI-qeR4N5CJcYI4K_jCVe_lXXi-L8Mig";

#[test]
fn line_breaks_between_tags_are_left_out_and_those_of_others_are_not() {
    assert_eq!(close_up("<p>\n<b>\na\n</b>\n</p>\n"), "<p><b>\na\n</b></p>\n");
    let page = rendered(&WAITING, Some("one>\n<two\nthree"));
    assert!(page.contains("one&#62;\n&#60;two\nthree"));
}

/// A first flight of ten packets: the page is whole after one round trip, in each language, with the longest message that
/// the config allows, of letters that take three bytes. It travels as it is, with gzip too, which is all that browsers take
/// over plain HTTP.
#[test]
fn every_page_is_under_14_kb_on_the_wire() {
    let longest = Standing { ahead: Some(1_000_000), behind: Some(1_000_000), number: Some(10_000_000), ..WAITING };
    let queue = queue();
    let mut largest = 0;
    for language in Language::all() {
        for (state, reason) in STATES.into_iter().zip(Reason::ALL) {
            let standing = Standing { state, reason: Some(reason), ..longest };
            let fields = [("order".to_owned(), "4711".to_owned())];
            let sent_by = &SentBy::Site("pay.example.net".into());
            for (encoding, letter) in [(Encoding::Brotli, "ம"), (Encoding::Gzip, "ம")] {
                let message = letter.repeat(500);
                let reader = Reader { language: Some(language), encoding, ..READER };
                let input = PageInput {
                    reader,
                    queue: &queue,
                    closed_as: ClosedAs::Closed,
                    standing: &standing,
                    message: Some(&message),
                    slip: Some(SLIP),
                };
                let form = |fields| pages().form_unsent(&input, &Form { fields, sent_by, line_path: "/" });
                for page in [pages().waiting(&input), form(None), form(Some(&fields))] {
                    largest = largest.max(page.len());
                    assert!(
                        page.len() <= 14 * 1024,
                        "{} bytes, {language} {encoding:?} {state:?} {reason:?}",
                        page.len()
                    );
                }
            }
        }
    }
    assert!(largest > 13_000, "the longest was among them: {largest} bytes");
}

/// What a visitor waits in, and what they send, must not show in the length of the page.
#[test]
fn nothing_of_a_visitor_stands_in_the_shared_part() {
    let shared = |site: &str, standing: &Standing| {
        let (reader, queue) = (Reader { site, ..READER }, queue());
        let page = text(&pages().waiting(&PageInput {
            reader,
            queue: &queue,
            closed_as: ClosedAs::Closed,
            standing,
            message: None,
            slip: None,
        }));
        page.split_once("<title>").unwrap().0.to_owned()
    };
    let one = shared(SITE, &WAITING);
    assert_eq!(one, shared("other.example.com", &standing(State::Full)));
    assert!(one.len() > 8_000, "most of the page: {} bytes", one.len());
}
