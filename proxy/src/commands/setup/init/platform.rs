//! What sites are made with, as far as it shows, and which of their paths no browser asks for.

use crate::commands::setup::probe::Answer;

/// Something that shops and ticket offices run on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) name: &'static str,
    /// Names of fields, beginnings of cookies, and pieces of pages.
    fields: &'static [&'static str],
    cookies: &'static [&'static str],
    pieces: &'static [&'static str],
    /// Call-backs, webhooks and jobs.
    pub(super) programs: &'static [&'static str],
}

/// The more special first: a shop of WordPress is one, too.
const ALL: [Platform; 6] = [
    Platform {
        name: "Shopify",
        fields: &["x-shopid", "x-shopify-stage", "x-sorting-hat-shopid"],
        cookies: &["_shopify_"],
        pieces: &["cdn.shopify.com"],
        programs: &[],
    },
    Platform {
        name: "WooCommerce",
        fields: &[],
        cookies: &["woocommerce_", "wp_woocommerce_"],
        pieces: &["plugins/woocommerce"],
        programs: &["/wc-api", "/wp-json/wc", "/wp-cron.php"],
    },
    Platform {
        name: "Magento",
        fields: &["x-magento-tags", "x-magento-cache-debug", "x-magento-vary"],
        cookies: &["mage-"],
        pieces: &["Magento_", "mage/cookies"],
        programs: &["/rest", "/paypal/ipn"],
    },
    Platform {
        name: "pretix",
        fields: &[],
        cookies: &["pretix_"],
        pieces: &["pretixpresale", "pretix.eu"],
        programs: &["/_stripe/webhook", "/_paypal/webhook", "/api"],
    },
    Platform {
        name: "Hi.Events",
        fields: &[],
        cookies: &[],
        pieces: &["hi.events", "Hi.Events"],
        programs: &["/api/public/webhooks"],
    },
    Platform {
        name: "WordPress",
        fields: &[],
        cookies: &["wordpress_"],
        pieces: &["/wp-content/"],
        programs: &["/wp-cron.php", "/wp-json"],
    },
];

/// The platform that made this page.
pub(super) fn of(answer: &Answer) -> Option<&'static Platform> {
    let text = answer.text();
    let cookies: Vec<_> =
        answer.fields.get_all(http::header::SET_COOKIE).iter().filter_map(|c| c.to_str().ok()).collect();
    ALL.iter().find(|platform| {
        platform.fields.iter().any(|name| answer.fields.contains_key(*name))
            || platform.cookies.iter().any(|begin| cookies.iter().any(|cookie| cookie.starts_with(begin)))
            || platform.pieces.iter().any(|piece| text.contains(piece))
    })
}
