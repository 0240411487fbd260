//! Most visitors near the head stop asking at once: the network has become slow, or they have gone.

use sluice_config::Mode;

use super::{
    super::{Batch, Rules, Seen},
    bench::Bench,
    rules,
};

/// Numbers that are called within this time, in steps of a tenth of a second.
fn called_within(bench: &mut Bench, ms: u64) -> Vec<u64> {
    let mut called = Vec::new();
    for _ in 0..ms / 100 {
        let outcome = bench.after(100, Batch::default());
        called.extend(outcome.due.iter().map(|due| due.0));
    }
    called
}

/// A line of forty, none of them called yet; those of the second half ask later.
fn line() -> Bench {
    let mut bench = Bench::new(Rules { burst: 1, mode: Mode::Hold, ..rules() });
    bench.join(40);
    bench.pass(6);
    let hold_ms = |number| if number <= 20 { 4_000 } else { 24_000 };
    let seen = (1..=40).map(|number| Seen { number, hold_ms: hold_ms(number) }).collect();
    bench.after(0, Batch { seen, ..Batch::default() });
    bench.rules.mode = Mode::Auto;
    bench
}

fn notice(bench: &mut Bench) {
    bench.after(0, Batch { hush: true, ..Batch::default() });
}

#[test]
fn without_a_hush_those_who_do_not_ask_are_passed() {
    let mut bench = line();
    let called = called_within(&mut bench, 8_000);
    assert!(called.contains(&21), "{called:?}");
}

#[test]
fn in_a_hush_those_who_would_run_out_are_called_in_their_order() {
    let mut bench = line();
    called_within(&mut bench, 1_000);
    notice(&mut bench);
    let called = called_within(&mut bench, 8_000);
    assert!(called.len() >= 7 && called.is_sorted() && called.iter().all(|&number| number <= 20), "{called:?}");
}

#[test]
fn if_most_are_back_after_a_hush_it_is_over() {
    let mut bench = line();
    notice(&mut bench);
    called_within(&mut bench, 5_000);
    bench.see(0, 1..=18);
    called_within(&mut bench, 3_300);
    bench.see(0, 1..=18);
    let called = called_within(&mut bench, 15_000);
    assert!(called.contains(&21), "who has not been heard of since is called as ever: {called:?}");
}

#[test]
fn if_most_are_not_back_the_head_waits_for_each_and_overtakes_none_who_asks() {
    let mut bench = line();
    notice(&mut bench);
    called_within(&mut bench, 5_000);
    // Of those near the head one asks, and of those further back one in four.
    bench.see(0, [19, 24, 28, 32]);
    called_within(&mut bench, 3_200);
    let called = called_within(&mut bench, 10_000);
    assert_eq!(called, [19], "the head waits at 21, which was told to ask later");
    bench.see(0, [21, 24, 28, 32]);
    let called = called_within(&mut bench, 1_500);
    assert_eq!(called, [21], "who asks as told is first");
    // Once all have been due it is over.
    let mut called = Vec::new();
    for ms in [3_500, 3_500, 4_500] {
        bench.see(0, [24, 28, 32]);
        called.extend(called_within(&mut bench, ms));
    }
    assert_eq!(called, [24, 28, 32], "who has not asked by then is passed");
}
