//! Bodies as the description has them, where serde takes more, or less.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Number;

/// An object. Without this an array of its members, in their order, would do as well.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members(PhantomData)).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// A whole number from 0 on. Some programs write 5 as `5.0`, which is the same in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u64);

/// Up to here numbers with a fraction are exact.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(from)?;
        if let Some(whole) = number.as_u64() {
            return Ok(Self(whole));
        }
        match number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, between bounds")]
            Some(whole) => Ok(Self(whole as u64)),
            None => Err(D::Error::custom(format_args!("{number} is not a whole number from 0 on"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        a: Option<u8>,
        b: Option<u8>,
    }

    #[test]
    fn an_object_is_no_array_and_has_each_member_once() {
        let pair = |json| serde_json::from_str::<Object<Pair>>(json).map(|Object(pair)| pair);
        assert_eq!(pair(r#"{"b":2,"a":null}"#).unwrap(), Pair { a: None, b: Some(2) });
        for wrong in ["[null,null]", "[]", "null", "1", r#""a""#, r#"{"a":1,"a":1}"#, r#"{"c":1}"#, r#"{"a":1.5}"#] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_whole_number_may_have_a_point() {
        let whole = |json| serde_json::from_str::<Whole>(json).map(|Whole(number)| number).ok();
        assert_eq!([whole("0"), whole("5.0"), whole("5e2")], [Some(0), Some(5), Some(500)]);
        assert_eq!(whole("18446744073709551615"), Some(u64::MAX));
        for wrong in ["-1", "-1.0", "0.5", "1e300", "18446744073709551616", "null", r#""5""#, "true"] {
            assert_eq!(whole(wrong), None, "{wrong}");
        }
    }
}
