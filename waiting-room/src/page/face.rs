//! The tenant's own style: colours, font, logo and rules, behind ours.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use sluice_config::settings::{Color, Colors, Page};

/// Inside a `<style>` of its own, byte for byte; empty if the tenant leaves everything as it is.
pub(super) fn style(page: &Page) -> String {
    let mut style = String::new();
    for (theme, colors, ours) in [("light", page.light, Colors::LIGHT), ("dark", page.dark, Colors::DARK)] {
        if colors != ours {
            put(&mut style, &format!("@media (prefers-color-scheme:{theme}){{:root{{{}}}}}", variables(colors)));
        }
    }
    if let Some(font) = &page.look.font {
        put(&mut style, &format!("body{{font-family:{font}}}"));
    }
    if let Some(logo) = &page.look.logo {
        let data = STANDARD.encode(&logo.bytes);
        put(
            &mut style,
            &format!(
                ".site::before{{content:\"\";display:block;height:3.5rem;margin-bottom:.5rem;\
                 background:url(data:{};base64,{data}) center/contain no-repeat}}",
                logo.media_type
            ),
        );
    }
    style.push_str(page.look.css.as_deref().unwrap_or_default());
    style
}

/// All colours of a theme, from the few that a tenant gives. What is called green in ours is in the tenant's accent.
fn variables(Colors { ground, card, text, accent }: Colors) -> String {
    const AA: f64 = 4.5;
    let soft = [0.35, 0.25, 0.15, 0.05].map(|share| text.mixed(card, share)).into_iter();
    let soft = soft.into_iter().find(|soft| soft.contrast(card) >= AA && soft.contrast(ground) >= AA).unwrap_or(text);
    let edge = card.mixed(text, 0.15);
    let (black, white) = (Color([0; 3]), Color([255; 3]));
    let on = if white.contrast(accent) >= black.contrast(accent) { white } else { black };
    format!(
        "--ground:{ground};--card:{card};--edge:{edge};--text:{text};--soft:{soft};--accent:{accent};--go:{accent};\
         --on:{on}"
    )
}

fn put(style: &mut String, rule: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(style, "{rule}");
}

#[cfg(test)]
mod tests;
