use std::io::Read;

use proptest::{collection::vec, prelude::*};

use super::*;

fn unpacked(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        Encoding::Identity => return bytes.to_vec(),
        Encoding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap(),
        Encoding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out).unwrap(),
    };
    out
}

#[test]
fn a_document_of_any_length_comes_out_as_it_went_in() {
    let shared = "The quick brown fox. ".repeat(700);
    let packed = Packed::new(shared.clone());
    for length in [0, 1, 2, 255, 65_534, 65_535, 65_536, 65_537, 131_071, (1 << 20) - 1, 1 << 20, (1 << 20) + 1] {
        let own: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        for encoding in Encoding::ALL {
            let whole = [shared.as_bytes(), &own].concat();
            assert!(
                unpacked(&packed.followed_by(&own, None, encoding), encoding) == whole,
                "{encoding:?}, {length} bytes"
            );
            let tail = Tail::new(shared.clone());
            let whole = [&whole, shared.as_bytes()].concat();
            assert!(
                unpacked(&packed.followed_by(&own, Some(&tail), encoding), encoding) == whole,
                "{encoding:?}, {length}"
            );
        }
    }
}

#[test]
fn the_shared_part_is_compressed_and_the_visitors_part_is_not() {
    let shared = "The quick brown fox. ".repeat(700);
    let packed = Packed::new(shared);
    let own = "a visitor's own part, a visitor's own part, a visitor's own part";
    for encoding in [Encoding::Gzip, Encoding::Brotli] {
        let whole = packed.followed_by(own.as_bytes(), None, encoding);
        assert!(whole.len() < 300, "{encoding:?}: {}", whole.len());
        let stands_there = whole.windows(own.len()).any(|at| at == own.as_bytes());
        assert!(stands_there, "{encoding:?}");
    }
}

proptest! {
    #[test]
    fn any_parts_come_out_as_they_went_in(
        shared in ".{0,3000}",
        own in vec(any::<u8>(), 0..3000),
        tail in ".{0,1000}",
    ) {
        let (packed, last) = (Packed::new(shared.clone()), Tail::new(tail.clone()));
        for encoding in Encoding::ALL {
            let whole = [shared.as_bytes(), &own].concat();
            prop_assert_eq!(unpacked(&packed.followed_by(&own, None, encoding), encoding), &whole[..]);
            let whole = [&whole, tail.as_bytes()].concat();
            prop_assert_eq!(unpacked(&packed.followed_by(&own, Some(&last), encoding), encoding), whole);
        }
    }
}
