//! A run in one picture that stands by itself, for a README: the line above, its calls below, on one time axis.

use plotters::{
    coord::ranged1d::Ranged,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{OverTime, Report, plots::number};
use crate::Failed;

const SIZE: (u32, u32) = (920, 610);
/// Height of title and subtitle, and of the panel of the line.
const HEADING: i32 = 84;
const LINE_PANEL: i32 = 286;
/// Where the plotting areas begin and end, from the edges.
const LEFT: u32 = 70;
const RIGHT: i32 = 26;
/// A letter of the legend, with room for a wide font.
const LEGEND_LETTER: i32 = 6;
const DASH: u32 = 9;
const GAP: u32 = 6;
/// The window of the promise about the rate, in seconds.
const WINDOW_S: f64 = 60.0;
/// So much of the time after the line was empty is shown.
const AFTERWARDS: f64 = 1.12;

const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
const FAINT_INK: RGBColor = RGBColor(0x59, 0x63, 0x6E);
const GRID: RGBColor = RGBColor(0xE4, 0xE8, 0xEC);
const BLUE_LINE: RGBColor = RGBColor(0x1F, 0x6F, 0xEB);
const GREEN_LINE: RGBColor = RGBColor(0x1A, 0x7F, 0x37);
const RED_LINE: RGBColor = RGBColor(0xCF, 0x22, 0x2E);

type Points = Vec<(f64, f64)>;

/// The picture as SVG. Its background is its own, so it reads on any page.
pub(super) fn of(report: &Report) -> Result<String, Failed> {
    let shown = shown(&report.over_time);
    // Nobody stands at the opening.
    let minutes = |of: fn(&OverTime) -> f64| -> Points {
        std::iter::once((0.0, 0.0)).chain(shown.iter().map(|p| (p.at_s / 60.0, of(p)))).collect()
    };
    let x_max = shown.last().map_or(1.0, |p| p.at_s / 60.0);
    let allowed = f64::from(report.queue.release_per_minute);

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (heading, rest) = root.split_vertically(HEADING);
        write(&heading, &report.title, (24, 20), 27.0, INK)?;
        write(&heading, &report.about, (24, 54), 17.5, FAINT_INK)?;
        let (above, below) = rest.split_vertically(LINE_PANEL);
        panel(
            &above,
            "Visitors in line",
            x_max,
            None,
            &[
                Curve {
                    name: "waiting, as the line counts",
                    colour: BLUE_LINE,
                    kind: Kind::Filled,
                    points: minutes(|p| p.waiting as f64),
                },
                Curve {
                    name: "still there",
                    colour: GREEN_LINE,
                    kind: Kind::Plain,
                    points: minutes(|p| p.present as f64),
                },
            ],
        )?;
        panel(
            &below,
            "Called within the last 60 s",
            x_max,
            Some("minutes since the opening"),
            &[
                Curve { name: "called", colour: BLUE_LINE, kind: Kind::Filled, points: last_minute(shown) },
                Curve {
                    name: "release_per_minute",
                    colour: RED_LINE,
                    kind: Kind::Bound,
                    points: vec![(0.0, allowed), (x_max, allowed)],
                },
            ],
        )?;
        root.present()?;
    }
    Ok(svg)
}

/// Until somewhat after nobody stood any more: stragglers may come for long.
fn shown(over_time: &[OverTime]) -> &[OverTime] {
    let empty_s = over_time.iter().rfind(|p| p.waiting > 0).map_or(f64::MAX, |p| p.at_s * AFTERWARDS);
    let end = over_time.iter().position(|p| p.at_s > empty_s).unwrap_or(over_time.len());
    &over_time[..end]
}

/// At the end of each stretch: how many were called in the minute before, taken as evenly spread within a stretch.
fn last_minute(over_time: &[OverTime]) -> Points {
    let mut from_s = 0.0;
    let stretches: Vec<(f64, f64, f64)> = over_time
        .iter()
        .map(|p| {
            let stretch = (from_s, p.at_s, p.called_per_s);
            from_s = p.at_s;
            stretch
        })
        .collect();
    let called = |until_s: f64| -> f64 {
        let overlap =
            |&(from, to, rate): &(f64, f64, f64)| (to.min(until_s) - from.max(until_s - WINDOW_S)).max(0.0) * rate;
        stretches.iter().map(overlap).sum()
    };
    std::iter::once((0.0, 0.0)).chain(stretches.iter().map(|s| (s.1 / 60.0, called(s.1)))).collect()
}

struct Curve {
    name: &'static str,
    colour: RGBColor,
    kind: Kind,
    points: Points,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Filled,
    Plain,
    Bound,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(area: &Area<'_>, title: &str, x_max: f64, x_title: Option<&str>, curves: &[Curve]) -> Result<(), Failed> {
    write(area, title, (24, 6), 19.0, INK)?;
    let y_max = curves.iter().flat_map(|c| &c.points).map(|p| p.1).fold(1.0, f64::max) * 1.12;
    let mut chart = ChartBuilder::on(area)
        .margin_top(34)
        .margin_right(RIGHT)
        .margin_bottom(6)
        .x_label_area_size(if x_title.is_some() { 50 } else { 30 })
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..x_max, 0.0..y_max)?;
    let labels = ("sans-serif", 15).into_font().color(&FAINT_INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT_INK)
        .y_labels(5)
        .x_labels(whole_minutes(x_max))
        .x_desc(x_title.unwrap_or_default())
        .axis_desc_style(labels.clone())
        .label_style(labels)
        .x_label_formatter(&|x| number(*x))
        .y_label_formatter(&|y| number(*y))
        .draw()?;
    for curve in curves {
        let Curve { kind, colour, points, .. } = curve;
        let line = colour.stroke_width(2);
        if *kind == Kind::Bound {
            chart.draw_series(DashedLineSeries::new(points.iter().copied(), DASH, GAP, line))?;
            continue;
        }
        if *kind == Kind::Filled
            && let (Some(first), Some(last)) = (points.first(), points.last())
        {
            let ends = [(last.0, 0.0), (first.0, 0.0)];
            let outline: Points = points.iter().copied().chain(ends).collect();
            chart.draw_series([Polygon::new(outline, colour.mix(0.13))])?;
        }
        chart.draw_series(LineSeries::new(points.iter().copied(), line))?;
    }
    legend(area, curves)
}

/// In one row at the right of the panel's title, so that it hides nothing.
fn legend(area: &Area<'_>, curves: &[Curve]) -> Result<(), Failed> {
    let mut left = i32::try_from(area.dim_in_pixel().0)? - RIGHT - LEGEND_LETTER;
    for Curve { name, kind, colour, .. } in curves.iter().rev() {
        left -= i32::try_from(name.len())? * LEGEND_LETTER;
        let style = ("sans-serif", 16).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(*name, (left, 15), style))?;
        let dashes = if *kind == Kind::Bound { vec![(-32, -23), (-17, -8)] } else { vec![(-32, -8)] };
        for (from, to) in dashes {
            area.draw(&PathElement::new([(left + from, 15), (left + to, 15)], colour.stroke_width(3)))?;
        }
        left -= 56;
    }
    Ok(())
}

/// So many labels that they fall on whole minutes, where there are few of these.
fn whole_minutes(x_max: f64) -> usize {
    let range = plotters::coord::types::RangedCoordf64::from(0.0..x_max);
    (2..=12).rev().find(|&most| range.key_points(most).iter().all(|x| x.fract() == 0.0)).unwrap_or(8)
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), size: f64, colour: RGBColor) -> Result<(), Failed> {
    area.draw(&Text::new(text.to_owned(), at, ("sans-serif", size).into_font().color(&colour)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn point(at_s: f64, waiting: u64, called_per_s: f64) -> OverTime {
        OverTime { at_s, waiting, called_per_s, ..OverTime::default() }
    }

    #[test]
    fn a_minute_is_sixty_seconds_wherever_it_begins() {
        // 40 s at 10 a second, then 40 s at 1 a second, in stretches that do not divide a minute.
        let points = last_minute(&[point(40.0, 1, 10.0), point(80.0, 1, 1.0), point(200.0, 1, 0.0)]);
        let called: Vec<f64> = points.iter().map(|p| p.1).collect();
        for (called, by_hand) in called.iter().zip([0.0, 400.0, 20.0 * 10.0 + 40.0, 0.0]) {
            assert!((called - by_hand).abs() < 1e-9, "{points:?}");
        }
    }

    #[test]
    fn the_picture_ends_soon_after_the_line() {
        let run: Vec<_> = (1_u32..=100).map(|s| point(f64::from(s), u64::from(s < 50), 1.0)).collect();
        assert_eq!(shown(&run).len(), 54);
        assert_eq!(shown(&run[..20]).len(), 20);
    }
}
