//! Does a figure grow?

use serde::Serialize;

/// The line of least squares through some points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Slope {
    /// Of the figure, a minute.
    pub(crate) per_minute: f64,
    /// Along the line from the first point to the last.
    pub(crate) grown: f64,
    pub(crate) mean: f64,
}

impl Slope {
    /// Through points of a time in seconds and a figure.
    pub(super) fn of(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Self::default() };
        let mean_of = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (mean_s, mean) = (mean_of(|point| point.0), mean_of(|point| point.1));
        let along: f64 = points.iter().map(|(s, figure)| (s - mean_s) * (figure - mean)).sum();
        let spread: f64 = points.iter().map(|(s, _)| (s - mean_s).powi(2)).sum();
        let per_second = if spread > 0.0 { along / spread } else { 0.0 };
        Self { per_minute: per_second * 60.0, grown: per_second * (last.0 - first.0), mean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_slope_it_was_drawn_with() {
        let points: Vec<_> = (0..600).map(|s| (f64::from(s), 5_000.0 + f64::from(s) * 2.0)).collect();
        let slope = Slope::of(&points);
        assert!((slope.per_minute - 120.0).abs() < 1e-6, "{slope:?}");
        assert!((slope.grown - 1_198.0).abs() < 1e-6, "{slope:?}");
    }

    #[test]
    fn what_goes_up_and_down_does_not_grow() {
        let points: Vec<_> = (0..600).map(|s| (f64::from(s), f64::from(s * 37 % 100))).collect();
        assert!(Slope::of(&points).grown.abs() < 1.0);
        assert_eq!(Slope::of(&[]), Slope::default());
        assert!(Slope::of(&[(1.0, 7.0)]).per_minute.abs() < f64::EPSILON);
    }
}
