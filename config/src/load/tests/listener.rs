//! The address of health, read without the rest.

use super::*;

fn listener(file: &str) -> Result<Option<SocketAddr>, Errors> {
    admin_listener(Dir::node(file).path())
}

#[test]
fn it_is_what_the_file_says() {
    let at = |address: &str| Some(address.parse().unwrap());
    for (file, expected) in [
        ("", at("127.0.0.1:9900")),
        ("[server]", at("127.0.0.1:9900")),
        ("[server]\nadmin = \"0.0.0.0:9911\"\nadmin_public = true", at("0.0.0.0:9911")),
        ("[server]\nadmin = false", None),
        ("[server]\nadmin = \"off\"", None),
    ] {
        assert_eq!(listener(file).unwrap(), expected, "{file}");
    }
}

#[test]
fn mistakes_elsewhere_do_not_hide_it() {
    let file = "[server]\nadmin = \"127.0.0.1:9911\"\nthreads = 0\ncolour = \"red\"\n[keys]\ncurrent = 7\n[store\n";
    assert_eq!(listener(file).unwrap(), "127.0.0.1:9911".parse().ok());
}

#[test]
fn what_is_no_address_is_said_at_its_place() {
    let said = listener("[server]\nadmin = \"localhost\"").unwrap_err().to_string();
    assert!(said.contains("sluice.toml:2:9: "), "{said}");
    let nowhere = admin_listener("/nonexistent").unwrap_err().to_string();
    assert!(nowhere.contains("/nonexistent/sluice.toml"), "{nowhere}");
}
