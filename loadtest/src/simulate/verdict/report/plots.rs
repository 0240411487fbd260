//! Plots of a run, as SVG that needs nothing from outside.

use plotters::prelude::*;

use super::Report;
use crate::Failed;

const SIZE: (u32, u32) = (920, 300);
/// The vertical axis reaches so far above the highest point, so that the legend hides none.
const Y_ROOM: f64 = 1.4;
const BLUE_LINE: RGBColor = RGBColor(0x1F, 0x6F, 0xEB);
const GREEN_LINE: RGBColor = RGBColor(0x1A, 0x7F, 0x37);
const ORANGE_LINE: RGBColor = RGBColor(0xBC, 0x4C, 0x00);
const RED_LINE: RGBColor = RGBColor(0xCF, 0x22, 0x2E);
const GREY_LINE: RGBColor = RGBColor(0x6E, 0x77, 0x81);

/// A plot and what it shows.
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) svg: String,
}

struct Curve {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

pub(super) fn of(report: &Report) -> Result<Vec<Plot>, Failed> {
    let time = |of: fn(&super::OverTime) -> f64| -> Vec<(f64, f64)> {
        report.over_time.iter().map(|p| (p.at_s / 60.0, of(p))).collect()
    };
    let arrival = |of: fn(&super::ByArrival) -> Option<f64>| -> Vec<(f64, f64)> {
        report.by_arrival.iter().filter_map(|p| Some((p.from_s / 60.0, of(p)? / 60.0))).collect()
    };
    let minutes = report.lasted_s as f64 / 60.0;
    let level = |value: f64| vec![(0.0, value), (minutes, value)];
    let rate = f64::from(report.queue.release_per_minute) / 60.0;
    let curve = |name, colour, points| Curve { name, colour, points };

    let mut seats = vec![curve("seats taken", BLUE_LINE, time(|p| p.seats as f64))];
    if let Some(max) = report.queue.max_active {
        seats.push(curve("max_active", RED_LINE, level(f64::from(max))));
    }
    let plots = [
        (
            "Line over time",
            "visitors",
            vec![
                curve("counted as waiting", BLUE_LINE, time(|p| p.waiting as f64)),
                curve("there, and asking as told", GREEN_LINE, time(|p| p.present as f64)),
            ],
        ),
        (
            "Called and entered, beside the allowed rate",
            "a second",
            vec![
                curve("called", BLUE_LINE, time(|p| p.called_per_s)),
                curve("entered", GREEN_LINE, time(|p| p.entered_per_s)),
                curve("called in vain (when noticed)", ORANGE_LINE, time(|p| p.in_vain_per_s)),
                curve("release_per_minute / 60", RED_LINE, level(rate)),
            ],
        ),
        (
            "Wait by time of arrival, and what was shown at first",
            "minutes",
            vec![
                curve("median wait", BLUE_LINE, arrival(|p| Some(p.wait_median_s))),
                curve("90 % waited less", GREEN_LINE, arrival(|p| Some(p.wait_p90_s))),
                curve("shown: at least", GREY_LINE, arrival(|p| p.shown_low_s)),
                curve("shown: at most", ORANGE_LINE, arrival(|p| p.shown_high_s)),
            ],
        ),
        ("Seats", "seats", seats),
        (
            "Requests of those who wait",
            "a second",
            vec![
                curve("polls and reloads", BLUE_LINE, time(|p| p.polls_per_s)),
                curve("newcomers", GREEN_LINE, time(|p| p.came_per_s)),
            ],
        ),
        (
            "What the store is asked",
            "a second",
            vec![
                curve("steps", BLUE_LINE, time(|p| p.steps_per_s)),
                curve("commands", GREY_LINE, time(|p| p.commands_per_s)),
            ],
        ),
    ];
    plots.into_iter().map(|(title, unit, curves)| Ok(Plot { title, svg: draw(unit, &curves)? })).collect()
}

fn draw(unit: &str, curves: &[Curve]) -> Result<String, Failed> {
    let all = || curves.iter().flat_map(|c| &c.points);
    let x_max = all().map(|p| p.0).fold(0.1, f64::max);
    let y_max = all().map(|p| p.1).fold(1.0, f64::max) * Y_ROOM;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..x_max, 0.0..y_max)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("minutes since the opening")
            .y_desc(unit)
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|y| number(*y))
            .draw()?;
        for Curve { name, colour, points } in curves.iter().filter(|c| !c.points.is_empty()) {
            let colour = *colour;
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(0xD0, 0xD7, 0xDE))
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

/// A number on an axis, as short as it can be.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 10_000.0 => format!("{:.0} k", value / 1e3),
        v if v >= 10.0 || value.fract().abs() < 1e-9 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
