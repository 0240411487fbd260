use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn as_the_closures_would(text in "[ab,]{0,40}") {
        let text = text.as_bytes();
        prop_assert_eq!(find(b',', text), text.iter().position(|&b| b == b','));
        prop_assert_eq!(split(b',', text).collect::<Vec<_>>(), text.split(|&b| b == b',').collect::<Vec<_>>());
        prop_assert_eq!(Some(before(b',', text)), text.split(|&b| b == b',').next());
    }
}
