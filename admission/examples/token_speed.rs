//! What signing and verifying a token costs on this machine: `cargo run --release --example token_speed`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{hint::black_box, time::Instant};

use sluice_admission::line::LaneId;
use sluice_admission::token::{Binding, Keyring, Pass, Slip, Ticket};
use sluice_config::settings::{Keys, Name, Secret};

const ROUNDS: u32 = 7;
const OPS_PER_ROUND: u32 = 200_000;

const NOW_MS: u64 = 1_763_712_000_000;
const SLIP: Slip = Slip { id: 0x0123_4567_89ab_cdef, issued_at_ms: NOW_MS, lane: LaneId::FIRST };
const TICKET: Ticket =
    Ticket { epoch: 3, number: 481_516, issued_at_ms: NOW_MS, ahead_first: 98_765, ahead_shown: 43_210 };
const PASS: Pass = Pass {
    epoch: 3,
    number: 481_516,
    issued_at_ms: NOW_MS,
    expires_at_ms: NOW_MS + 600_000,
    ends_at_ms: NOW_MS + 43_200_000,
};

fn main() {
    let secrets = [("2026-11".to_owned(), Secret::new([7; 32])), ("2026-10".to_owned(), Secret::new([8; 32]))];
    let keyring = Keyring::new(&Keys { current: "2026-11".to_owned(), secrets: secrets.into() });
    let names = (Name::new("shop"), Name::new("main-sale"));
    let (Ok(keyring), (Some(tenant), Some(queue))) = (keyring, names) else {
        unreachable!("the secrets and names above are valid")
    };
    let keys = keyring.mint_keys(&tenant, &queue);
    let bound = Binding { network: Some(&[198, 51, 100]), user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64)") };

    let slip = keys.sign_slip(&SLIP, Binding::NONE);
    let ticket = keys.sign_ticket(&TICKET, Binding::NONE);
    let pass = keys.sign_pass(&PASS, Binding::NONE);
    let pass_bound = keys.sign_pass(&PASS, bound);
    // Same length, same header, wrong MAC: what a flood of forgeries costs.
    let mut forged = ticket.clone().into_bytes();
    if let Some(byte) = forged.iter_mut().nth_back(50) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    println!("slip {} bytes, ticket {} bytes, pass {} bytes", slip.len(), ticket.len(), pass.len());

    report("mint keys", OPS_PER_ROUND / 100, || keyring.mint_keys(&tenant, &queue));
    report("sign slip", OPS_PER_ROUND, || keys.sign_slip(black_box(&SLIP), Binding::NONE));
    report("verify slip", OPS_PER_ROUND, || keys.verify_slip(black_box(&slip), Binding::NONE));
    report("sign ticket", OPS_PER_ROUND, || keys.sign_ticket(black_box(&TICKET), Binding::NONE));
    report("verify ticket", OPS_PER_ROUND, || keys.verify_ticket(black_box(&ticket), 3, Binding::NONE));
    report("sign pass", OPS_PER_ROUND, || keys.sign_pass(black_box(&PASS), Binding::NONE));
    report("verify pass", OPS_PER_ROUND, || keys.verify_pass(black_box(&pass), 3, NOW_MS, Binding::NONE));
    report("sign pass, bound", OPS_PER_ROUND, || keys.sign_pass(black_box(&PASS), bound));
    report("verify pass, bound", OPS_PER_ROUND, || keys.verify_pass(black_box(&pass_bound), 3, NOW_MS, bound));
    report("refuse forged ticket", OPS_PER_ROUND, || keys.verify_ticket(black_box(&forged), 3, Binding::NONE));
    report("refuse garbage", OPS_PER_ROUND, || keys.verify_ticket(black_box("not a token"), 3, Binding::NONE));
}

/// Prints the best of a few rounds: what the machine can do when nothing else runs.
fn report<T>(what: &str, ops: u32, mut op: impl FnMut() -> T) {
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ops {
                black_box(op());
            }
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!("{what:<22}{:>8.0} ns", best.as_secs_f64() * 1e9 / f64::from(ops));
}
