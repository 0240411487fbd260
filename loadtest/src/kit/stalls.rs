//! When the machine itself stood still: the cores of a virtual machine are taken away for milliseconds at a time, and who
//! is being served then waits, whatever the server.
//!
//! A thread for each core, before which nothing that is measured comes, sleeps for a moment over and over. When it wakes
//! late, its core was away.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_current_timer_slack};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use crate::Failed;

/// A sleep may be longer by so many nanoseconds; the default is fifty times as much.
pub(crate) const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::new(1_000).unwrap();
/// How long each sleep is.
const NAP: Duration = Duration::from_micros(200);
/// Who wakes so much later was not there: as much as the bar allows a server.
const STALL_MIN: Duration = Duration::from_micros(300);
/// What gathers during a stall is worked off afterwards: at half load within as long as it took. Twice that, to be sure.
const WORKED_OFF_WITHIN: u32 = 2;

/// Looks for stalls until it is told to end.
pub(crate) struct Meter {
    ends: Arc<AtomicBool>,
    cores: Vec<JoinHandle<Vec<Stall>>>,
}

#[derive(Clone, Copy, Debug)]
struct Stall {
    from: Instant,
    /// When what had gathered was worked off.
    until: Instant,
}

/// All stalls of one measurement.
#[derive(Debug, Default)]
pub(crate) struct Stalls(Vec<Stall>);

impl Meter {
    /// Returns once every core is looked at; an error where the system grants no real-time priority, which takes the
    /// right to it (`CAP_SYS_NICE`).
    pub(crate) fn start() -> Result<Self, Failed> {
        let allowed = sched_getaffinity(None)?;
        let ends = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = mpsc::channel();
        let cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let cores: Vec<_> = cores
            .map(|core| {
                let (ends, ready) = (ends.clone(), ready.clone());
                std::thread::spawn(move || {
                    let prepared = prepare(core);
                    let may = prepared.is_ok();
                    // Nobody listens any more once another core was refused.
                    let _ = ready.send(prepared);
                    if may { look(&ends) } else { Vec::new() }
                })
            })
            .collect();
        drop(ready);
        let meter = Self { ends, cores };
        for prepared in is_ready.iter().take(meter.cores.len()) {
            if let Err(error) = prepared {
                meter.end();
                return Err(error.into());
            }
        }
        Ok(meter)
    }

    pub(crate) fn end(self) -> Stalls {
        self.ends.store(true, Relaxed);
        Stalls(self.cores.into_iter().filter_map(|core| core.join().ok()).flatten().collect())
    }
}

/// Ties this thread to a core and puts it before all others there.
fn prepare(core: usize) -> Result<(), String> {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).map_err(|error| error.to_string())?;
    set_current_timer_slack(Some(TIMER_SLACK_NS)).map_err(|error| error.to_string())?;
    let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Max, fifo).map_err(|error| error.to_string())
}

fn look(ends: &AtomicBool) -> Vec<Stall> {
    let mut stalls = Vec::new();
    while !ends.load(Relaxed) {
        let from = Instant::now();
        sleep(NAP);
        let away = from.elapsed();
        if away > NAP + STALL_MIN {
            stalls.push(Stall { from, until: from + away + away * WORKED_OFF_WITHIN });
        }
    }
    stalls
}

impl Stalls {
    /// Whether somebody who was due and answered then may have felt one.
    pub(crate) fn touch(&self, due: Instant, answered: Instant) -> bool {
        self.0.iter().any(|stall| due <= stall.until && answered >= stall.from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_stall_touches_who_was_served_then_and_until_it_was_worked_off() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let stalls = Stalls(vec![Stall { from: ms(10), until: ms(40) }]);
        assert!(!stalls.touch(ms(1), ms(9)));
        assert!(stalls.touch(ms(1), ms(11)), "it was being served as the stall began");
        assert!(stalls.touch(ms(20), ms(21)));
        assert!(stalls.touch(ms(39), ms(50)), "it came while others were still waiting");
        assert!(!stalls.touch(ms(41), ms(50)));
        assert!(!Stalls::default().touch(ms(0), ms(50)));
    }

    #[test]
    fn a_meter_ends_when_it_is_told_to() {
        // Where real-time priority is not granted there is none, which is an answer as well.
        if let Ok(meter) = Meter::start() {
            assert_eq!(meter.cores.len(), sched_getaffinity(None).unwrap().count() as usize);
            let end = Instant::now();
            assert!(meter.end().0.iter().all(|stall| stall.from <= end + NAP), "it looked on");
        }
    }
}
