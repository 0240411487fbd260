//! When to ask for which certificate. Decides, and does nothing: no clock, no authority, no chance of its own.
//!
//! A host without a certificate is due at once, one with a certificate when a third of its life is left, or when the
//! authority advises it (RFC 9773). Certificates that end together are not renewed together: where in its range a renewal
//! falls comes from the certificate itself, so all nodes of a fleet say the same.
//!
//! A try is counted before it is made, so that one which ends with the process counts as well. After each the host waits for
//! longer ([`PAUSES_S`]): in no hour are there more than three. What an authority asks for beyond that is obeyed. A failure
//! that is the authority's own is not counted against the host; all hosts wait then.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// How long a host waits after its first failed try, its second one, and so on; the last stands for all further ones.
/// The first are short, since what is wrong is mended while an owner looks on; any three and the pause behind the third are
/// more than an hour.
pub(super) const PAUSES_S: [u64; 8] =
    [5 * MINUTE_S, 15 * MINUTE_S, HOUR_S, 2 * HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 16 * HOUR_S, DAY_S];
/// Each pause is longer by up to one part of so many, so that hosts which failed together do not come back together.
const PAUSE_SPREAD: u64 = 10;
/// A host that the authority refuses for having asked too often waits for this, if it does not say for how long.
const RATE_LIMITED_S: u64 = HOUR_S;
/// All others wait for at most this: the bound may be the host's own.
const OTHERS_WAIT_S_MAX: u64 = 5 * MINUTE_S;
/// Longer than this no authority is obeyed: its longest bound is a week.
const RETRY_AFTER_S_MAX: u64 = 8 * DAY_S;
/// An authority that does not answer is asked again after this, doubled each time.
const UNAVAILABLE_S: u64 = MINUTE_S;
const UNAVAILABLE_S_MAX: u64 = HOUR_S;
/// A host that another node is busy with is looked at again after this.
const BUSY_S: u64 = 5;
/// How often the authority is asked for its advice, if it does not say.
const ADVICE_S: u64 = 6 * HOUR_S;
const ADVICE_S_MAX: u64 = DAY_S;
const ADVICE_S_MIN: u64 = HOUR_S;

/// The life of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) not_before_s: u64,
    pub(super) not_after_s: u64,
    /// A number that the certificate alone has, the same at all nodes.
    pub(super) spread: u16,
}

impl Life {
    /// When it is due by its life alone: when a third of it is left, or a little later.
    fn due_s(self) -> u64 {
        let third = self.not_after_s.saturating_sub(self.not_before_s) / 3;
        self.not_after_s - third + self.within(third / 10)
    }

    /// Sooner than this nothing makes it due: an authority whose advice lies in the past whatever it issues is not asked in a
    /// circle.
    fn rests_until_s(self) -> u64 {
        self.not_before_s + (self.not_after_s.saturating_sub(self.not_before_s) / 3).min(DAY_S)
    }

    /// A point of a range that begins with zero.
    fn within(self, range_s: u64) -> u64 {
        u64::try_from(u128::from(range_s) * u128::from(self.spread) / u128::from(u16::MAX)).unwrap_or(range_s)
    }
}

/// What has been tried for a host since its last certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tries {
    /// How many have begun.
    pub(super) begun: u32,
    /// Not before then is there another one, in seconds since 1970.
    pub(super) next_s: u64,
}

/// How a try has ended without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The host could not be proven, or is refused.
    Host { retry_after_s: Option<u64> },
    /// The authority has been asked too often, by the host or by all.
    RateLimited { retry_after_s: Option<u64> },
    /// The authority does not answer, or cannot now.
    Unavailable { retry_after_s: Option<u64> },
}

#[derive(Debug, Default)]
struct Host {
    certificate: Option<Life>,
    tries: Tries,
    /// Since when it is known that there is no certificate anywhere.
    bare_since_s: Option<u64>,
    busy_until_s: u64,
    /// When the authority was unavailable for it last; 0: since then it was not.
    unavailable_s: u64,
    /// When to renew, by the authority's advice.
    advised_s: Option<u64>,
    ask_advice_s: u64,
}

/// The hosts of a node, and what is known of them.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    hosts: BTreeMap<String, Host>,
    /// How long it is waited before a host counts as one without a certificate: another node may be about to bring it.
    settle_s: u64,
    /// No order before then.
    paused_until_s: u64,
    unavailable: u32,
    /// The authority gives no advice.
    no_advice: bool,
}

impl Schedule {
    pub(super) fn new(settle_s: u64) -> Self {
        Self { settle_s, ..Self::default() }
    }

    /// These hosts are wanted from now on, and no others. `is_other`: at another authority than before, which has refused
    /// nothing yet.
    pub(super) fn want<'h>(&mut self, hosts: impl IntoIterator<Item = &'h str>, is_other: bool) {
        let mut before = std::mem::take(&mut self.hosts);
        self.hosts = hosts.into_iter().map(|host| (host.to_owned(), before.remove(host).unwrap_or_default())).collect();
        if is_other {
            (self.paused_until_s, self.unavailable, self.no_advice) = (0, 0, false);
            self.hosts.values_mut().for_each(|host| (host.advised_s, host.ask_advice_s) = (None, 0));
        }
    }

    /// There is such a certificate for a host now, or none that is of use. With a new one all tries are over.
    pub(super) fn holds(&mut self, host: &str, certificate: Option<Life>) {
        let Some(host) = self.hosts.get_mut(host) else { return };
        if host.certificate != certificate {
            (host.advised_s, host.ask_advice_s, host.bare_since_s) = (None, 0, None);
            if certificate.is_some() {
                (host.tries, host.unavailable_s) = (Tries::default(), 0);
            }
            host.certificate = certificate;
        }
    }

    /// What this node, before its start, or another one has tried. What is waited for longest counts.
    pub(super) fn heard(&mut self, host: &str, tries: Tries) {
        if let Some(host) = self.hosts.get_mut(host)
            && tries.next_s > host.tries.next_s
        {
            host.tries = Tries { begun: tries.begun.max(host.tries.begun), ..tries };
        }
    }

    /// All places where certificates may be have been looked through: who is bare now is so in earnest.
    pub(super) fn looked(&mut self, now_s: u64) {
        for host in self.hosts.values_mut().filter(|host| host.certificate.is_none()) {
            host.bare_since_s.get_or_insert(now_s);
        }
    }

    /// What has been tried for a host.
    pub(super) fn tries(&self, host: &str) -> Tries {
        self.hosts.get(host).map_or_else(Tries::default, |host| host.tries)
    }

    /// Before when no certificate is asked for, for this host.
    pub(super) fn next_try_s(&self, host: &str) -> u64 {
        self.tries(host).next_s.max(self.paused_until_s)
    }

    /// Hosts of which something has been tried since their last certificate.
    pub(super) fn all_tries(&self) -> BTreeMap<String, Tries> {
        let tried = self.hosts.iter().filter(|(_, host)| host.tries != Tries::default());
        tried.map(|(name, host)| (name.clone(), host.tries)).collect()
    }

    /// The host whose certificate is to be asked for now: one that has none first, then the one whose certificate ends first.
    /// Behind all others, those for which the authority was unavailable: it may be so for them alone.
    pub(super) fn next(&self, now_s: u64) -> Option<&str> {
        if now_s < self.paused_until_s {
            return None;
        }
        let due = self.hosts.iter().filter(|(_, host)| self.is_due(host, now_s));
        due.min_by_key(|(_, host)| (host.unavailable_s, host.certificate.map_or(0, |life| life.not_after_s)))
            .map(|(name, _)| name.as_str())
    }

    /// Whether a host's certificate is to be asked for, as far as is known now.
    pub(super) fn is_due_now(&self, host: &str, now_s: u64) -> bool {
        now_s >= self.paused_until_s && self.hosts.get(host).is_some_and(|host| self.is_due(host, now_s))
    }

    fn is_due(&self, host: &Host, now_s: u64) -> bool {
        let wanted = match host.certificate {
            Some(life) => {
                let due_s = host.advised_s.map_or(life.due_s(), |advised_s| advised_s.min(life.due_s()));
                now_s >= due_s.max(life.rests_until_s())
            }
            None => host.bare_since_s.is_some_and(|since_s| now_s >= since_s + self.settle_s),
        };
        wanted && now_s >= host.tries.next_s && now_s >= host.busy_until_s
    }

    /// Another node is about to ask.
    pub(super) fn busy(&mut self, host: &str, now_s: u64) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.busy_until_s = now_s + BUSY_S;
        }
    }

    /// A try begins. `roll` is any number.
    pub(super) fn begins(&mut self, host: &str, now_s: u64, roll: u16) -> Tries {
        let Some(host) = self.hosts.get_mut(host) else { return Tries::default() };
        let nth = usize::try_from(host.tries.begun).unwrap_or(usize::MAX).min(PAUSES_S.len() - 1);
        let pause_s = PAUSES_S[nth] + PAUSES_S[nth] / PAUSE_SPREAD * u64::from(roll) / u64::from(u16::MAX);
        host.tries = Tries { begun: host.tries.begun.saturating_add(1), next_s: now_s + pause_s };
        host.tries
    }

    /// A try has ended without a certificate. `before` is what had been tried before it began.
    pub(super) fn failed(&mut self, name: &str, failed: Failed, before: Tries, now_s: u64) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        let obeyed = |retry_after_s: Option<u64>| retry_after_s.unwrap_or(0).min(RETRY_AFTER_S_MAX);
        host.unavailable_s = 0;
        match failed {
            Failed::Host { retry_after_s } => {
                host.tries.next_s = host.tries.next_s.max(now_s + obeyed(retry_after_s));
                self.unavailable = 0;
            }
            Failed::RateLimited { retry_after_s } => {
                let wait_s = obeyed(retry_after_s.or(Some(RATE_LIMITED_S)));
                host.tries.next_s = host.tries.next_s.max(now_s + wait_s);
                self.paused_until_s = self.paused_until_s.max(now_s + wait_s.min(OTHERS_WAIT_S_MAX));
                self.unavailable = 0;
            }
            Failed::Unavailable { retry_after_s } => {
                host.tries = before;
                let wait_s = UNAVAILABLE_S.saturating_mul(1 << self.unavailable.min(16)).min(UNAVAILABLE_S_MAX);
                self.unavailable = self.unavailable.saturating_add(1);
                self.paused_until_s = self.paused_until_s.max(now_s + wait_s.max(obeyed(retry_after_s)));
                host.unavailable_s = now_s.max(1);
            }
        }
    }

    /// A try has ended with a certificate. [`Self::holds`] says which.
    pub(super) fn issued(&mut self) {
        self.unavailable = 0;
    }

    /// The host for whose certificate the authority is to be asked for advice.
    pub(super) fn needs_advice(&self, now_s: u64) -> Option<&str> {
        if self.no_advice || now_s < self.paused_until_s {
            return None;
        }
        let held = self.hosts.iter().filter(|(_, host)| host.certificate.is_some() && now_s >= host.ask_advice_s);
        held.map(|(name, _)| name.as_str()).next()
    }

    /// The authority advises to renew a host's certificate within a range, and to ask again after a while.
    pub(super) fn advised(&mut self, host: &str, window_s: (u64, u64), ask_after_s: u64, now_s: u64) {
        if let Some(host) = self.hosts.get_mut(host)
            && let Some(life) = host.certificate
        {
            let (start_s, end_s) = window_s;
            host.advised_s = Some(start_s + life.within(end_s.saturating_sub(start_s)));
            host.ask_advice_s = now_s + ask_after_s.clamp(ADVICE_S_MIN, ADVICE_S_MAX);
        }
    }

    /// The authority had no advice for a host; it may have another time.
    pub(super) fn not_advised(&mut self, host: &str, now_s: u64) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.ask_advice_s = now_s + ADVICE_S;
        }
    }

    /// The authority gives no advice at all.
    pub(super) fn gives_no_advice(&mut self) {
        self.no_advice = true;
    }
}

/// A node without a certificate leaves the fleet's, which it cannot use, at most for this long. A new master secret may come
/// to the nodes one after the other; one that replaces a secret at once must not leave them without HTTPS.
const UNUSABLE_S_MAX: u64 = 600;

/// Whether a node asks for no certificate because another one has one, which is of no use here since `unusable_since_s`.
pub(super) fn leaves_to_others(has_own: bool, unusable_since_s: Option<u64>, now_s: u64) -> bool {
    has_own || unusable_since_s.is_none_or(|since_s| now_s < since_s + UNUSABLE_S_MAX)
}
