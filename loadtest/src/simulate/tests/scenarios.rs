//! Every scenario in the folder, made smaller: the same crowd in front of a smaller site. `./x simulate` runs them whole.

use std::path::Path;

use super::{Line, Scenario, broken_promises, report_of};

/// Visitors, besides cookieless ones, of a small run.
const VISITORS: f64 = 6_000.0;
/// Promises that a scenario breaks, and by how much: all that it breaks, so that one that is kept is taken off.
const BROKEN: [(&str, &[&str]); 1] = [
    // Nine of ten fall asleep. Each is waited for until the next poll was due, and these are a quarter of the way apart: for
    // the next 20 s no more than four tenths of the rate can be called of those who are awake without passing one of them.
    ("mass-sleep", &["no waste: the rate is used while people stand"]),
];
/// Below this rate a single visitor is more than the promised percent.
const RATE_MIN: f64 = 240.0;

fn smaller(mut scenario: Scenario) -> Scenario {
    let all: u64 = scenario.crowds.iter().map(|c| c.visitors).sum();
    let factor = (all as f64 / VISITORS).min(f64::from(scenario.queue.release_per_minute) / RATE_MIN).max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "smaller than it was")]
    let part = |n: u32| (f64::from(n) / factor).ceil() as u32;
    let queue = &mut scenario.queue;
    queue.release_per_minute = part(queue.release_per_minute);
    queue.burst = queue.burst.map(part);
    queue.max_active = queue.max_active.map(part);
    scenario.origin.bears = scenario.origin.bears.map(part);
    for crowd in &mut scenario.crowds {
        crowd.visitors = u64::from(part(u32::try_from(crowd.visitors).unwrap()));
    }
    scenario
}

fn holds(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name).with_extension("toml");
    let (scenario, traces) = Scenario::load(&file).unwrap();
    let report = report_of::<Line>(&smaller(scenario), &traces, |_| ());
    let known = BROKEN.iter().find(|known| known.0 == name).map_or(&[][..], |known| known.1);
    let broken: Vec<_> = broken_promises(&report).iter().map(|promise| promise.name).collect();
    assert_eq!(broken, known, "{}", report.to_text());
}

macro_rules! scenarios {
    ($($test:ident = $file:literal,)*) => {
        $(#[test] fn $test() { holds($file); })*

        #[test]
        fn none_is_left_out() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
            let files = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
            let mut names = Vec::new();
            for below in [folder.clone(), folder.join("lanes"), folder.join("platforms")] {
                let scenarios = files(&below).into_iter().filter(|f| f.extension().is_some_and(|e| e == "toml"));
                let name = |f: std::path::PathBuf| {
                    f.with_extension("").strip_prefix(&folder).unwrap().to_str().unwrap().to_owned()
                };
                names.extend(scenarios.map(name));
            }
            names.sort_unstable();
            let mut tested = [$($file),*];
            tested.sort_unstable();
            assert_eq!(names, tested);
        }
    };
}

scenarios! {
    a_sale_with_bots = "bots",
    an_ordinary_afternoon = "calm",
    a_day = "daily-curve",
    a_drizzle_without_cookies = "drizzle",
    an_exam_registration = "exam-registration",
    a_flash_sale = "flash-sale",
    a_fleet = "fleet",
    a_line_that_is_held = "held",
    hidden_tabs_at_1_a_minute = "hidden-1",
    hidden_tabs_at_2_a_minute = "hidden-2",
    hidden_tabs_at_6_a_minute = "hidden-6",
    hidden_tabs_at_60_a_minute = "hidden-60",
    hidden_tabs_at_600_a_minute = "hidden-600",
    hidden_tabs_before_thirty_seats = "hidden-seats",
    a_lowered_rate = "lowered-rate",
    phones_asleep_at_once = "mass-sleep",
    a_million_of_whom_most_walk_away = "million",
    mobile_networks = "mobile",
    a_store_away_for_long = "outage",
    pages_that_never_enter = "parked",
    restarts = "restart",
    a_store_with_bad_luck = "store-faults",
    two_lanes_three_to_one = "lanes/weights",
    a_lane_that_is_empty_for_a_while = "lanes/empty",
    a_lane_filled_by_a_greedy_crowd = "lanes/greedy",
    lanes_that_come_and_go_by_a_reload = "lanes/reload",
    lanes_before_a_store_with_bad_luck = "lanes/store",
    hidden_tabs_in_slow_lanes = "lanes/hidden",
    lanes_before_few_seats = "lanes/seats",
    eight_lanes = "lanes/many",
    a_booking_shop = "platforms/booking",
}
