use proptest::prelude::*;

use super::*;

fn networks(list: &[&str]) -> Networks {
    Networks::new(list.iter().map(|text| address::network(text).unwrap()))
}

#[test]
fn ranges_that_touch_are_one() {
    let set = networks(&["10.0.0.0/9", "10.128.0.0/9", "192.0.2.1", "2001:db8::/33", "2001:db8:8000::/33"]);
    assert_eq!((set.v4.len(), set.v6.len()), (2, 1));
    for (address, is_in) in [
        ("10.255.255.255", true),
        ("11.0.0.0", false),
        ("9.255.255.255", false),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("::ffff:10.1.2.3", true),
        ("2001:db8:ffff::1", true),
        ("2001:db9::", false),
    ] {
        assert_eq!(set.contains(address.parse().unwrap()), is_in, "{address}");
    }
    assert!(!Networks::default().contains("::1".parse().unwrap()) && Networks::default().is_empty());
}

#[test]
fn every_address_is_everybody_however_it_is_written() {
    assert!(networks(&["0.0.0.0/0"]).is_everybody() && networks(&["::/0"]).is_everybody());
    assert!(networks(&["0.0.0.0/1", "128.0.0.0/1"]).is_everybody());
    assert!(!networks(&["0.0.0.0/1"]).is_everybody());
}

#[test]
fn a_file_is_a_list_or_what_operators_of_crawlers_publish() {
    let lines = of_file("# crawlers\n66.249.64.0/19  # the one\n\n2001:4860:4801::/48\n").unwrap();
    let published = of_file(
        r#"{"creationTime":"2026-11-01T00:00:00","prefixes":[{"ipv6Prefix":"2001:4860:4801::/48"},{"ipv4Prefix":"66.249.64.0/19"}]}"#,
    );
    assert_eq!(Networks::new(lines), Networks::new(published.unwrap()));
    for (text, says) in [
        ("", "no network"),
        ("{}", "no network"),
        ("{", "no JSON"),
        ("10.0.0.0/8\n10.0.0.1/8", "line 2"),
        (r#"{"ipv4Prefix":"x"}"#, "`ipv4Prefix`"),
        ("<html>", "line 1"),
    ] {
        let wrong = of_file(text).unwrap_err();
        assert!(wrong.message.contains(says), "{text}: {}", wrong.message);
    }
}

proptest! {
    #[test]
    fn the_set_holds_what_one_of_its_networks_holds(
        list in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..20),
        address in any::<u32>(),
    ) {
        let list: Vec<_> = list.iter().map(|&(bits, length)| {
            // Close to the address, so that many are met.
            let near = address ^ (bits >> 16);
            IpNet::new(IpAddr::from(near.to_be_bytes()), length).unwrap().trunc()
        }).collect();
        let address = IpAddr::from(address.to_be_bytes());
        let expected = list.iter().any(|network| network.contains(&address));
        prop_assert_eq!(Networks::new(list).contains(address), expected);
    }
}
