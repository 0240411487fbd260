//! The page of a form that was stopped.

use super::*;

#[test]
fn the_page_of_a_form_says_that_it_was_stopped_and_never_what_came_about_elsewhere() {
    for page in STATES.map(standing).into_iter().flat_map(|standing| [form(&standing, None), held(&standing, None)]) {
        assert!(page.contains("<h1>This has not reached the site yet</h1>"));
        let words = page.to_lowercase();
        for promise in ["nothing was", "charged", "no payment", "not been paid"] {
            assert!(!words.contains(promise), "{promise}");
        }
        assert!(!page.contains("http-equiv"), "a reload would lose the form");
        assert!(!page.contains("id=\"enter\""));
    }
}

#[test]
fn a_form_that_the_page_does_not_hold_is_gone_back_to_once_it_can_be_sent() {
    for state in STATES {
        let page = form(&standing(state), None);
        assert_eq!(page.matches("<form").count(), 1, "the one to leave the line");
        let may_send = matches!(state, State::Called | State::Admitted);
        let hidden = page.contains("<p class=\"way row\" hidden><button type=\"button\" id=\"back\"");
        assert_eq!(hidden, !may_send, "{state:?}");
    }
    let noscript = form(&WAITING, None);
    let noscript = between(&noscript, "<noscript>", "</noscript>");
    assert!(noscript.contains("<a href=\"/tickets\" target=\"_blank\">"));
}

#[test]
fn a_form_that_the_page_holds_goes_to_where_it_was_sent_and_nowhere_else() {
    let fields = [("a", "1"), ("a", ""), ("b\"><script>", "<i> & 'x'\r\ny")];
    let page = form_of(&WAITING, None, Some(&fields), &SentBy::ThisSite);
    let form = between(&page, "<form id=\"send\" method=\"post\">", "</form>");
    assert!(!form.contains("action"), "{form}");
    let inputs: Vec<_> = form.split('<').filter(|tag| tag.starts_with("input")).map(str::trim_end).collect();
    assert_eq!(
        inputs[..2],
        ["input type=\"hidden\" name=\"a\" value=\"1\">", "input type=\"hidden\" name=\"a\" value=\"\">"]
    );
    assert!(
        form.contains("name=\"b&#34;&#62;&#60;script&#62;\" value=\"&#60;i&#62; &#38; &#39;x&#39;\r\ny\">"),
        "{form}"
    );
    assert!(form.contains("<button class=\"primary\">"));
}

#[test]
fn a_form_of_another_site_names_it_before_it_can_be_sent_on() {
    let of = |sent_by: &SentBy| form_of(&WAITING, None, Some(&[]), sent_by);
    assert!(
        of(&SentBy::Site("pay.example.net".into()))
            .contains("<strong>Sent by pay.example.net.</strong> If you have just paid")
    );
    assert!(of(&SentBy::SomeSite).contains("<strong>Sent by another site.</strong> "));
    assert!(!of(&SentBy::ThisSite).contains("Sent by"));
}
