use crate::{
    diagnostics::Kind,
    settings::{CookieDomain, HostPattern},
    testing::Dir,
};

fn patterns(hosts: &[&str]) -> Vec<HostPattern> {
    hosts.iter().map(|host| crate::forms::host::pattern(host).expect("a pattern")).collect()
}

#[test]
fn a_host_shares_with_the_hosts_below_it_and_no_others() {
    for (hosts, shared) in [
        (&["shop.example.com", "*.shop.example.com"][..], &["shop.example.com"][..]),
        (&["www.example.com", "example.com"], &["example.com"]),
        (&["a.b.example.com", "b.example.com", "example.com"], &["example.com", "b.example.com"]),
        (&["shop.example.com"], &[]),
        (&["*.example.com"], &[]),
        (&["shop.example.com", "www.example.com", "shop.example.net"], &[]),
        (&["badexample.com", "example.com"], &[]),
        // Browsers take no cookie for these.
        (&["localhost", "a.localhost"], &[]),
    ] {
        assert_eq!(CookieDomain::Auto.of_hosts(&patterns(hosts)), shared, "{hosts:?}");
        assert_eq!(CookieDomain::Off.of_hosts(&patterns(hosts)), [""; 0]);
    }
    let named = CookieDomain::Named("example.com".to_owned());
    assert_eq!(named.of_hosts(&patterns(&["a.example.com", "b.example.com"])), ["example.com"]);
}

fn with(hosts: &str, domain: &str) -> String {
    format!(
        "name = \"shop\"\nhosts = {hosts}\n[origin]\nservers = [\"127.0.0.1:9000\"]\n[cookies]\ndomain = {domain}\n\
         [[queue]]\nname = \"shop\"\nrelease_per_minute = 60\n"
    )
}

#[test]
fn a_domain_is_a_name_that_browsers_take_and_hosts_have() {
    let read = |domain: &str| {
        let text = with("[\"a.example.com\", \"b.example.com\"]", domain);
        Dir::tenant(&text).only_tenant().cookies.domain
    };
    assert_eq!(read("\"example.com\""), CookieDomain::Named("example.com".into()));
    assert_eq!(read("\".Example.com\""), CookieDomain::Named("example.com".into()));
    assert_eq!(read("\"off\""), CookieDomain::Off);
    let hosts = "[\"a.example.com\"]";
    Dir::tenant(&with(hosts, "«\"com\"»")).is_wrong(Kind::Malformed, "two labels", "example.com");
    Dir::tenant(&with(hosts, "«\"127.0.0.1\"»")).is_wrong(Kind::Malformed, "for no address", "off");
    Dir::tenant(&with(hosts, "«\"example.net\"»")).is_wrong(Kind::Conflict, "no host of the tenant", "leave it out");
}
