//! A page by day or by night, whatever the browser prefers.

use serde::Deserialize;

/// How a page is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Theme {
    /// As the browser prefers.
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    /// A page with its questions for the preferred colours answered in advance.
    pub(super) fn of_page(self, page: &[u8]) -> String {
        let page = String::from_utf8_lossy(page).into_owned();
        let (chosen, other) = match self {
            Self::Auto => return page,
            Self::Light => ("light", "dark"),
            Self::Dark => ("dark", "light"),
        };
        // In ours and in a tenant's own rules, spelt with a space or without.
        let answered = |page: String, theme: &str, answer: &str| {
            page.replace(&format!("(prefers-color-scheme:{theme})"), answer)
                .replace(&format!("(prefers-color-scheme: {theme})"), answer)
        };
        let page = answered(answered(page, chosen, "all"), other, "not all");
        page.replace("color-scheme:light dark", &format!("color-scheme:{chosen}"))
    }
}

#[cfg(test)]
mod tests {
    use sluice_waiting_room::page::{Encoding, Pages, Reader};

    use super::*;

    #[test]
    fn a_page_asks_no_more_for_what_is_preferred() {
        let reader = Reader { site: "shop.example.com", language: None, encoding: Encoding::Identity };
        let page = Pages::of_no_tenant().left(reader, "/");
        let dark = "@media all{:root{--ground:#0e1218;";
        assert!(Theme::Dark.of_page(&page).contains(dark));
        assert!(Theme::Light.of_page(&page).contains(&dark.replace("all", "not all")));
        for (theme, word) in [(Theme::Dark, "{color-scheme:dark;"), (Theme::Light, "{color-scheme:light;")] {
            let page = theme.of_page(&page);
            assert!(!page.contains("prefers-color-scheme") && page.contains(word), "{page}");
        }
        assert!(Theme::Auto.of_page(&page).contains("(prefers-color-scheme:dark)"));
    }
}
