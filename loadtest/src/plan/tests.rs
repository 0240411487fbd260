//! Plans for sales that can be worked out by hand.
#![allow(clippy::unwrap_used)]

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn options(line: &str) -> Options {
    Cli::parse_from(std::iter::once("plan").chain(line.split(' '))).options
}

fn stays(options: &Options) -> Report {
    simulate(&scenario(options, 0.0).unwrap(), &[Vec::new()])
}

#[test]
fn a_rate_decides_the_wait() {
    // 3,000 within a second at 600 a minute: the last waits five minutes, the middle one half of that.
    let report = stays(&options("--visitors 3000 --within 1s --rate 600 --visit 30s --session-idle 30s"));
    let wait = &report.figures.wait_s;
    assert!(report.held, "{}", report.to_text());
    assert!((280.0..=320.0).contains(&wait.worst), "{wait:?}");
    assert!((125.0..=165.0).contains(&wait.median), "{wait:?}");
}

#[test]
fn seats_decide_it_where_they_are_short() {
    let few = stays(&options("--visitors 1000 --within 1s --rate 600 --seats 100 --visit 30s --session-idle 30s"));
    let many = stays(&options("--visitors 1000 --within 1s --rate 600 --visit 30s --session-idle 30s"));
    assert!(few.figures.wait_s.worst > many.figures.wait_s.worst * 2.0);
    assert_eq!(few.figures.entered, 1_000);
}

#[test]
fn nodes_follow_work_and_connections() {
    let few = options("--visitors 3000 --within 1s --rate 600 --visit 30s --session-idle 30s");
    let report = stays(&few);
    let needs = Needs::of(&report, 1.0, &few.costs);
    assert_eq!(needs.nodes(), 1);
    assert!((2_900..=3_000).contains(&needs.visitors), "{needs:?}");
    let small = options("--visitors 3000 --within 1s --rate 600 --connections 1000");
    assert_eq!(Needs::of(&report, 1.0, &small.costs).nodes(), 3);
    let busy = options("--visitors 3000 --within 1s --rate 600 --request-us 1000000 --cores 1 --load 1");
    let needs = Needs::of(&report, 1.0, &busy.costs);
    assert!((needs.nodes() as f64 - needs.requests_per_s).abs() < 2.0, "a second of CPU each: {needs:?}");
    let text = text(&few, &report, &report);
    for word in ["median", "worst", "nodes", "9 MB for its connections", "Redis", "Mbit/s"] {
        assert!(text.contains(word), "{text}");
    }
}
