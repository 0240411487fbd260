//! Fuzzing on the stable compiler: whatever bytes come, a property of a parser holds.
//!
//! A target is a function of bytes that panics if its property does not hold. Its corpus is a folder `fuzz/NAME` of the crate, and
//! what the test itself makes where the form changes with the code. In the suite the corpus is replayed and then mutated a
//! bounded number of times, the same each time. `./x fuzz SECONDS` mutates for so long from another beginning. An input that
//! breaks the property is written into the corpus, and is the first to be replayed from then on: commit it with the fix.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Says for how many seconds each target is mutated, in place of a number of rounds.
const SECONDS: &str = "SLUICE_FUZZ_SECONDS";
/// Longest input that is made.
const BYTES_MAX: usize = 16 << 10;
/// Most changes of one input.
const CHANGES_MAX: u64 = 8;
/// Numbers at which parsers change their minds.
const NUMBERS: [u8; 9] = [0, 1, 0x0a, 0x0d, 0x20, 0x2e, 0x2f, 0x7f, 0xff];

/// Replays the corpus of a target, and mutates it.
pub(crate) fn run(crate_dir: &str, name: &str, made: Vec<Vec<u8>>, rounds: u32, target: impl Fn(&[u8])) {
    let folder = PathBuf::from(crate_dir).join("fuzz").join(name);
    let mut corpus = made;
    let mut files: Vec<_> = fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    corpus.extend(files.iter().map(|path| fs::read(path).unwrap()));
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    let holds = |input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
            fs::create_dir_all(&folder).unwrap();
            let found = folder.join(format!("found-{:016x}", digest(input)));
            fs::write(&found, input).unwrap();
            eprintln!("the input that breaks it is kept in {}", found.display());
            resume_unwind(panic);
        }
    };
    corpus.iter().for_each(|input| holds(input));
    let seconds = std::env::var(SECONDS).ok().map(|text| Duration::from_secs(text.parse().unwrap()));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut dice = Dice(if seconds.is_some() { since.as_secs() } else { 1 });
    let began = Instant::now();
    let goes_on = |round| seconds.map_or(round < rounds, |seconds| began.elapsed() < seconds);
    let mut round = 0;
    while goes_on(round) {
        holds(&dice.mutated(&corpus));
        round = round.wrapping_add(1);
    }
}

/// FNV-1a: a name for a file.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        let [byte, which, ..] = self.roll().to_le_bytes();
        if which < 64 { NUMBERS[usize::from(byte) % NUMBERS.len()] } else { byte }
    }

    /// A piece of an input.
    fn piece(&mut self, of: &[u8]) -> Vec<u8> {
        let from = self.below(of.len() + 1);
        let to = from + self.below((of.len() - from).min(64) + 1);
        of[from..to].to_vec()
    }

    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.roll() % CHANGES_MAX {
            let at = self.below(input.len() + 1);
            let other = corpus[self.below(corpus.len())].clone();
            match self.roll() % 7 {
                0 if at < input.len() => input[at] ^= 1 << (self.roll() % 8),
                1 if at < input.len() => input[at] = self.byte(),
                2 => input.insert(at, self.byte()),
                3 => drop(input.drain(at..(at + self.below(16)).min(input.len()))),
                4 => input.truncate(at),
                5 => _ = input.splice(at..at, self.piece(&other)).count(),
                _ => {
                    let piece = self.piece(&input);
                    let times = 1 + self.below(4);
                    _ = input.splice(at..at, piece.repeat(times)).count();
                }
            }
            input.truncate(BYTES_MAX);
        }
        input
    }
}
