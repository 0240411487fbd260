//! A link as a code that phones scan: a picture within the page, which loads nothing.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around a code, which readers need to find it (ISO/IEC 18004, 9.1).
const QUIET: usize = 4;

/// An SVG of dark modules on white, whatever the colours of the page; `None`: the text is too long for a code.
pub(super) fn svg(text: &str) -> Option<String> {
    // The lowest level: a screen is neither torn nor dirty, and fewer modules are larger ones.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let size = width + 2 * QUIET;
    let mut out = String::with_capacity(16 * 1024);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" aria-hidden=\"true\">\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\""
    );
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = row[x..].iter().take_while(|module| **module == row[x]).count();
            if row[x] == Color::Dark {
                let _ = write!(out, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run;
        }
    }
    out.push_str("\"/></svg>");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is drawn, module by module.
    fn drawn(svg: &str) -> (usize, Vec<(usize, usize)>) {
        let size = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let path = svg.rsplit("d=\"").next().unwrap().trim_end_matches("\"/></svg>");
        let runs = path.split('M').skip(1).flat_map(|run| {
            let (at, rest) = run.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let length: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            (x..x + length).map(move |x| (x, y))
        });
        (size, runs.collect())
    }

    #[test]
    fn every_dark_module_is_drawn_once_inside_the_quiet_zone() {
        let text = "https://shop.example.com/.sluice/move?queue=sale&t=".to_owned() + &"a".repeat(280);
        let code = QrCode::with_error_correction_level(&text, EcLevel::L).unwrap();
        let (size, modules) = drawn(&svg(&text).unwrap());
        assert_eq!(size, code.width() + 2 * QUIET);
        assert_eq!(modules.len(), code.to_colors().iter().filter(|module| **module == Color::Dark).count());
        for (x, y) in modules {
            assert_eq!(code[(x - QUIET, y - QUIET)], Color::Dark, "{x} {y}");
        }
        assert!(code.width() <= 77, "a phone reads it from a screen: {} modules", code.width());
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert!(svg(&"a".repeat(10_000)).is_none());
    }
}
