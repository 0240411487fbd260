//! Whatever is in the files: no panic, and no secret in what is said about them.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proptest::{prelude::*, sample::Index};

use crate::testing::{Dir, certificates::Pair, queue, tls};

const SECRET: &str = "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZS4uLg==";

const NODE: &str = include_str!("../../../sample-fleet/sluice.toml");
const TENANT: &str = include_str!("../../../sample/tenants/shop.toml");

static PAIR: LazyLock<Pair> = LazyLock::new(|| Pair::new(&["shop.example.com"]));

static TENANT_SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::draft7::new(&crate::schema::tenant_file()).unwrap());

/// A change that a slip of the hand, a bad merge or a bad disk makes.
#[derive(Clone, Debug)]
enum Change {
    Delete(Index, usize),
    Insert(Index, String),
    Flip(Index, u8),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop_oneof![
        "[\\[\\]{}=\"'.,#\\\\\\n-]{1,3}",
        "[a-z_]{1,8} = ",
        Just("[[queue]]\n".to_owned()),
        Just("[queue.name]\n".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("\u{202e}é\u{1b}".to_owned()),
        any::<String>(),
    ];
    prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, len)| Change::Delete(at, len)),
        (any::<Index>(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        (any::<Index>(), 1..200_usize).prop_map(|(at, len)| Change::Repeat(at, len)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Delete(at, len) => {
            let at = at.index(bytes.len() + 1);
            bytes.drain(at..(at + len).min(bytes.len()));
        }
        Change::Insert(at, piece) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, piece.bytes());
        }
        Change::Flip(_, _) if bytes.is_empty() => {}
        Change::Flip(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Repeat(at, len) => {
            let at = at.index(bytes.len() + 1);
            let piece = bytes[at..(at + len).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

/// Everything that can be said about a directory, if it is wrong.
fn said(dir: &Dir) -> String {
    match dir.load() {
        Ok(config) => format!("{config:?}"),
        Err(errors) => format!("{errors}{errors:?}{}{}", errors.pretty(true), errors.pretty(false)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn on_random_bytes(
        node in proptest::collection::vec(any::<u8>(), 0..300),
        tenant in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        said(&Dir::new().with_bytes("sluice.toml", &node).with_bytes("tenants/shop.toml", &tenant));
    }

    #[test]
    fn on_a_damaged_sample(changes in proptest::collection::vec(change(), 1..6)) {
        let (mut node, mut tenant) = (NODE.as_bytes().to_vec(), TENANT.as_bytes().to_vec());
        for change in &changes {
            apply(&mut node, change);
            apply(&mut tenant, change);
        }
        let dir = Dir::new().with_bytes("sluice.toml", &node).with_bytes("tenants/shop.toml", &tenant);
        said(&dir);
    }

    /// A file of certificates, or the bytes of a certificate in it, with anything wrong with them.
    #[test]
    fn on_damaged_certificates(
        changes in proptest::collection::vec(change(), 1..4), in_the_bytes in any::<bool>(), of_key in any::<bool>(),
    ) {
        let pair = &*PAIR;
        let (mut chain, mut key) = (pair.chain.as_bytes().to_vec(), pair.key.as_bytes().to_vec());
        let damaged = if of_key { &mut key } else { &mut chain };
        let label = if of_key { "PRIVATE KEY" } else { "CERTIFICATE" };
        if in_the_bytes {
            let text: String = damaged.split(|b| *b == b'\n').filter(|line| !line.starts_with(b"-"))
                .map(String::from_utf8_lossy).map(|line| line.trim().to_owned()).collect();
            *damaged = BASE64_STANDARD.decode(text).unwrap();
        }
        changes.iter().for_each(|change| apply(damaged, change));
        if in_the_bytes {
            let text = BASE64_STANDARD.encode(&damaged);
            *damaged = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").into_bytes();
        }
        let lines = "certificates = [{ chain = \"a.pem\", key = { file = \"a.key\" } }]\nclient_ca_file = \"a.pem\"";
        let dir = Dir::new().with("tenants/shop.toml", &tls(lines)).with_bytes("a.pem", &chain)
            .with_private("a.key", "").with_bytes("a.key", &key);
        let said = said(&dir);
        for line in pair.key.lines().filter(|line| !line.starts_with('-')) {
            prop_assert!(!said.contains(line), "{said}");
        }
    }

    /// What loads is valid by the schema: an editor never complains about a config that works.
    #[test]
    fn and_what_loads_is_valid_by_the_schema(change in change()) {
        let mut tenant = TENANT.as_bytes().to_vec();
        apply(&mut tenant, &change);
        if Dir::new().with_bytes("tenants/shop.toml", &tenant).load().is_ok() {
            let instance: serde_json::Value = toml::from_slice(&tenant).unwrap();
            let errors: Vec<_> = TENANT_SCHEMA.iter_errors(&instance).map(|error| error.to_string()).collect();
            prop_assert!(errors.is_empty(), "{errors:?} in\n{}", String::from_utf8_lossy(&tenant));
        }
    }

    #[test]
    fn on_odd_values(
        key in prop_oneof![
            "[a-z_]{1,12}", Just("paths".to_owned()), Just("burst".to_owned()), Just("session_idle".to_owned()),
            Just("mode".to_owned()), Just("wait_status".to_owned()), Just("message".to_owned()),
        ],
        value in prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()), any::<f64>().prop_map(|n| format!("{n:?}")),
            any::<String>().prop_map(|text| format!("{text:?}")), "\\[(\"/[%a-f0-9./é]{0,8}\",?){0,3}\\]",
            "\"[0-9]{1,20}[a-zµ]{0,3}\"", "\\{ a = 1 \\}", "[0-9T:-]{1,12}",
        ],
    ) {
        said(&Dir::new().with("tenants/shop.toml", &queue(&format!("{key} = {value}").replace(['«', '»'], ""))));
    }

    /// A secret where none should be, with damage around it, is never repeated.
    #[test]
    fn nor_shows_a_secret(
        place in prop_oneof![
            Just("[keys]\ncurrent = \"a\"\nsecrets = { a = \"SECRET\" }\n"),
            Just("[keys]\ncurrent = \"SECRET\"\nsecrets = { a = { env = \"SLUICE_KEY\" } }\n"),
            Just("[keys]\ncurrent = \"a\"\n[keys.secrets]\na = { file = \"f\", text = \"SECRET\" }\n"),
            Just("[store]\nurl = \"redis://user:SECRET@127.0.0.1:6379/0\"\n"),
            Just("[store]\nurl = \"redis://127.0.0.1\"\npassword = \"SECRET\"\ndatabase = 0\n"),
            Just("[store]\nurl = \"redis://127.0.0.1\"\npassw = \"SECRET\"\ndatabase = 0\n"),
            Just("keys = { current = \"a\", secrets = { a = \"SECRET\" } }\n[server]\nhttp = []\n"),
            Just("[redis]\nauth = \"SECRET\"\n"),
        ],
        changes in proptest::collection::vec(change(), 0..4),
    ) {
        let mut node = place.as_bytes().to_vec();
        for change in &changes {
            let mut changed = node.clone();
            apply(&mut changed, change);
            // Damage to the secret itself would only make it harder to find.
            if String::from_utf8_lossy(&changed).contains("SECRET") {
                node = changed;
            }
        }
        let node = String::from_utf8_lossy(&node).replace("SECRET", SECRET);
        let said = said(&Dir::new().with_bytes("sluice.toml", node.as_bytes()));
        prop_assert!(!said.contains(SECRET), "{node}\n---\n{said}");
    }
}
