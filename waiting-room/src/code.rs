//! The short code of a number, to be read out on the telephone.
//!
//! Five bits a character, in the alphabet of Douglas Crockford: no I, L, O or U, which are misheard or misread. The last
//! character checks the others: it is the sum of all values, each times its place, modulo 31, as in ISBN-10. With 31
//! being prime, a character that was misheard changes it, and so do two neighbours that changed places, unless they are
//! `0` and `Z`, which are not taken for each other. Crockford's own check is modulo 37 and would need signs such as `~`.
//!
//! The code hides nothing: the number stands beside it, and a place is held by a signed ticket, not by knowing a number.
//! So there is no key in it, and support can read it with `sluice number`.

use std::fmt;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MODULUS: usize = 31;
/// Characters of the greatest number.
const LEN_MAX: usize = 13;

/// The code of a number, such as `4K7-S`. On the stack: every poll writes one.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    text: [u8; LEN_MAX + 2],
    from: usize,
}

/// The code of a number.
pub fn of(number: u64) -> Code {
    let mut code = Code { text: [b'-'; LEN_MAX + 2], from: LEN_MAX };
    let (mut rest, mut sum) = (number, 0);
    for place in 2.. {
        let value = usize::try_from(rest % 32).unwrap_or(0);
        sum += place * value;
        code.from -= 1;
        code.text[code.from] = ALPHABET[value];
        rest /= 32;
        if rest == 0 {
            break;
        }
    }
    code.text[LEN_MAX + 1] = ALPHABET[sum % MODULUS];
    code
}

impl Code {
    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text[self.from..]).unwrap_or_default()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of a code as somebody wrote it down; `None` if it cannot be right.
pub fn number(code: &str) -> Option<u64> {
    let mut values = Vec::with_capacity(LEN_MAX + 1);
    for c in code.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let meant = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        values.push(ALPHABET.iter().position(|known| char::from(*known) == meant)?);
        if values.len() > LEN_MAX + 1 {
            return None;
        }
    }
    let check_read = values.pop()?;
    if values.is_empty() || check(&values) != check_read {
        return None;
    }
    values.into_iter().try_fold(0_u64, |number, value| number.checked_mul(32)?.checked_add(u64::try_from(value).ok()?))
}

fn check(values: &[usize]) -> usize {
    (2..).zip(values.iter().rev()).map(|(place, value)| place * value).sum::<usize>() % MODULUS
}

#[cfg(test)]
mod tests;
