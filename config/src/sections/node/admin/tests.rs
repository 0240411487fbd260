use crate::{diagnostics::Kind, sections::node::admin::Role, testing::Dir};

const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn admin(lines: &str) -> Dir {
    Dir::node(&format!("[admin]\n{lines}"))
}

fn key(lines: &str) -> Dir {
    admin(&format!("[[admin.key]]\n{lines}"))
}

#[test]
fn without_the_table_there_is_no_api() {
    assert_eq!(Dir::node("").config().admin, None);
    assert_eq!(admin("").config().admin.unwrap().listen.to_string(), "127.0.0.1:9901");
}

#[test]
fn other_machines_reach_it_only_if_that_is_meant() {
    admin("listen = «\"0.0.0.0:9901\"»").is_wrong(Kind::Conflict, "other machines", "public = true");
    assert!(admin("listen = \"0.0.0.0:9901\"\npublic = true").load().is_ok());
}

#[test]
fn a_key_is_known_by_its_hash() {
    let config = key(&format!(
        "id = \"ci\"\nhash = \"{HASH}\"\nrole = \"viewer\"\ntenants = [\"shop\"]\nexpires = \"2027-03-31\""
    ));
    let key_of = &config.config().admin.unwrap().keys[0];
    assert_eq!(
        (key_of.role, &key_of.hash[..3], key_of.tenants.as_ref().unwrap().len()),
        (Role::Viewer, &[1, 0x23, 0x45][..], 1)
    );
    key("id = \"ci\"\nrole = \"viewer\"\nhash = «\"slk_ci_c2VjcmV0\"»").is_wrong(
        Kind::Malformed,
        "not the hash of a key",
        "the key itself belongs to the program",
    );
    key(&format!("id = \"ci\"\nhash = \"{HASH}\"\nrole = «\"root\"»")).is_wrong(Kind::Malformed, "", "viewer");
    key(&format!("id = \"ci\"\nhash = \"{HASH}\"\nrole = \"viewer\"\nexpires = «\"31.3.2027\"»")).is_wrong(
        Kind::Malformed,
        "not a day",
        "2027-03-31",
    );
}

#[test]
fn no_two_keys_have_one_name() {
    let one = format!("hash = \"{HASH}\"\nrole = \"viewer\"");
    admin(&format!("[[admin.key]]\nid = \"ci\"\n{one}\n[[admin.key]]\nid = «\"ci\"»\n{one}")).is_wrong(
        Kind::Duplicate,
        "key id",
        "",
    );
}

#[test]
fn an_issuer_has_keys_that_nobody_else_can_give_and_roles() {
    let issuer = |keys: &str| {
        format!(
            "[admin]\n[admin.issuer]\nissuer = \"https://login.example.com\"\naudience = \"sluice\"\nkeys = {keys}\n\
             [[admin.issuer.role]]\nvalue = \"ticketing\"\nrole = \"manager\"\ntenants = [\"shop\"]\n"
        )
    };
    let config = Dir::node(&issuer("\"https://login.example.com/keys\"")).config();
    let read = config.admin.unwrap().issuer.unwrap();
    assert_eq!(
        (&*read.claim, read.roles[0].role, read.keys.to_string()),
        ("roles", Role::Manager, "https://login.example.com:443/keys".into())
    );
    Dir::node(&issuer("\"http://127.0.0.1:8080/keys\"")).config();
    let plain = Dir::node(&issuer("«\"http://login.example.com/keys\"»"));
    plain.is_wrong(Kind::Malformed, "an answer over plain HTTP could come from anyone", "https://");
    let without = issuer("\"https://login.example.com/keys\"");
    let without = without.split("[[admin").next().unwrap().replace("[admin.issuer]", "«[admin.issuer]»");
    Dir::node(&without).is_wrong(Kind::Missing, "`role` is missing", "[[admin.issuer.role]]");
}

const LOGIN: &str = "client_id = \"dash\"\nauthorize = \"https://login.example.com/authorize\"\n\
                     token = \"https://login.example.com/token\"\n";

fn login(hosts: &str, lines: &str) -> Dir {
    Dir::node(&format!(
        "[admin]\n{hosts}\n[admin.issuer]\nissuer = \"https://login.example.com\"\naudience = \"sluice\"\n\
         keys = \"https://login.example.com/keys\"\n[admin.issuer.login]\n{lines}\n\
         [[admin.issuer.role]]\nvalue = \"ticketing\"\nrole = \"manager\"\n"
    ))
}

#[test]
fn people_log_in_at_the_issuer_if_there_is_a_way_there_and_back() {
    let hosts = "hosts = [\"*.example.com\"]";
    let all = "client_secret = { env = \"MINE\" }\ndashboard = \"https://Sluice.example.com:8443/\"\n\
               scopes = [\"profile\", \"groups\"]\nlasts = \"1h\"";
    let config = login(hosts, &format!("{LOGIN}{all}")).with_env("MINE", "hunter2\n").config();
    let read = config.admin.unwrap().issuer.unwrap().login.clone().unwrap();
    assert_eq!(read.client_secret.as_ref().unwrap().expose(), b"hunter2");
    assert_eq!(
        (&*read.dashboard, &*read.authorize),
        ("https://sluice.example.com:8443", "https://login.example.com/authorize")
    );
    assert_eq!((read.scopes.len(), read.lasts.as_secs()), (2, 3_600));
    assert!(!format!("{read:?}").contains("hunter2"));
    let least = login("", &format!("{LOGIN}dashboard = \"http://localhost:9901\"")).config();
    let read = least.admin.unwrap().issuer.unwrap().login.clone().unwrap();
    assert_eq!((read.client_secret, read.scopes, read.lasts.as_secs()), (None, Vec::new(), 43_200));
}

#[test]
fn a_login_that_could_not_come_back_or_could_be_anybodys_is_a_mistake() {
    let wrong = |hosts: &str, lines: &str, kind: Kind, says: &str, advises: &str| {
        login(hosts, &format!("{LOGIN}{lines}")).is_wrong(kind, says, advises);
    };
    let unknown = "dashboard = «\"https://sluice.example.com\"»";
    wrong("", unknown, Kind::Conflict, "refuses requests under this name", "hosts = [\"sluice.example.com\"]");
    let path = "dashboard = «\"https://sluice.example.com/ops\"»";
    wrong("", path, Kind::Malformed, "no path before it", "alone");
    wrong("", "dashboard = «\"http://192.0.2.1\"»", Kind::Malformed, "plain HTTP", "https://");
    let own = "dashboard = \"http://localhost:9901\"\n";
    wrong("", &format!("{own}scopes = [«\"profile groups\"»]"), Kind::Malformed, "not a scope", "of its own");
    let shown = login("", &format!("{LOGIN}{own}client_secret = \"hunter2\"")).load().unwrap_err().to_string();
    assert!(shown.contains("does not stand in the config itself") && !shown.contains("hunter2"), "{shown}");
    let plain = LOGIN.replace("\"https://login.example.com/token\"", "«\"http://login.example.com/token\"»");
    login("", &format!("{plain}{own}")).is_wrong(Kind::Malformed, "plain HTTP could come from anyone", "https://");
}
