use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde_json::json;

use super::*;
use crate::{
    declare::{ASKED, Section},
    diagnostics::words,
    limits,
    sections::{NODE_FILE, TENANT_FILE, node::keys, node::store, tenant::queue, tls::pair},
    testing::{
        Dir, ORIGIN, QUEUE, TENANT,
        certificates::{Authority, Pair},
        generated, tenant,
    },
};

/// One for all, so that configs differ by what they say only.
static CERTIFICATE: LazyLock<Pair> = LazyLock::new(|| Pair::new(&["shop.example.com"]));

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The text with every setting that stands behind a bare `#` switched on.
fn uncommented(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let setting =
            line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
        match setting {
            Some(setting) => {
                // A second way to write a key takes the place of the first in its table.
                let key = setting.split('=').next().unwrap();
                let table = lines.iter().rposition(|line| line.starts_with('[')).unwrap_or(0);
                let mut here = lines.split_off(table);
                here.retain(|earlier| earlier.split('=').next().unwrap() != key);
                lines.append(&mut here);
                lines.push(setting.to_owned());
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A sample as a directory, as written or with all settings switched on.
fn sample(name: &str, change: fn(&str) -> String) -> Dir {
    let read = |file: &str| change(&std::fs::read_to_string(Path::new(HERE).join(name).join(file)).unwrap());
    let dir = Dir::new()
        .with("sluice.toml", &read("sluice.toml"))
        .with("tenants/shop.toml", &read("tenants/shop.toml"))
        .with("store-ca.pem", "-----BEGIN CERTIFICATE-----")
        .with_private("master.key", crate::testing::KEY)
        .with_env("SLUICE_KEY_OLD", crate::testing::KEY)
        .with_env("SLUICE_LOGIN_SECRET", "a login secret")
        .with_env("SHOP_WEBHOOK", WEBHOOK)
        .with_env("SHOP_WEBHOOK_OLD", WEBHOOK)
        .with_pair("shop", &Pair::new(&["shop.example.com"]))
        .with_pair("default", &Pair::new(&["shop.example.com"]));
    let dir = dir.with_bytes("shop.svg", b"<svg/>").with_bytes("shop.css", b"h1 { font-style: italic }\n");
    let dir = dir.with("partners.txt", "192.0.2.0/24\n");
    dir.with("tls/clients.pem", &Authority::root("Clients").pem())
        .with("tls/origin-ca.pem", &Authority::root("Origin").pem())
        .with("tls/own-authority.pem", &Authority::root("Own").pem())
        .with_pair("client", &Pair::new(&["client.example.com"]))
}

fn samples() -> [Dir; 4] {
    let as_written = |text: &str| text.to_owned();
    [
        sample("sample", as_written),
        sample("sample", uncommented),
        sample("sample-fleet", as_written),
        sample("sample-fleet", uncommented),
    ]
}

fn json_of(path: PathBuf) -> Value {
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn assert_valid(schema: &Value, instance: &Value) {
    let validator = jsonschema::draft7::new(schema).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(instance).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn schemas_are_schemas() {
    for schema in [server_file(), tenant_file()] {
        assert!(jsonschema::meta::is_valid(&schema), "{schema:#}");
        let text = schema.to_string();
        assert!(!text.contains("null") && !text.contains("$ref") && !text.contains("format"), "{text}");
    }
}

#[test]
fn samples_load_and_are_valid() {
    for dir in samples() {
        dir.config();
        assert_valid(&server_file(), &json_of(dir.path().join("sluice.toml")));
        assert_valid(&tenant_file(), &json_of(dir.path().join("tenants/shop.toml")));
    }
}

/// Sections list keys, readers ask for them, the samples and the manual explain them: always the same ones.
#[test]
fn sections_readers_samples_and_manual_know_the_same_keys() {
    let mut written = BTreeSet::new();
    for dir in samples() {
        dir.config();
        written_keys("sluice.toml", "", &json_of(dir.path().join("sluice.toml")), &mut written);
        written_keys("tenants/*.toml", "", &json_of(dir.path().join("tenants/shop.toml")), &mut written);
    }
    let (mut listed, mut described, mut headings) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for file in [&NODE_FILE, &TENANT_FILE] {
        file.top.walk(&[], &mut |path, section| {
            // An origin of a route has the keys of any other.
            let path = if path.starts_with(&["route", "origin"]) { &path[1..] } else { path };
            let here = if path.is_empty() { file.name.to_owned() } else { format!("{}:{}", file.name, path.join(".")) };
            for key in section.keys {
                listed.insert((section.name, key.name()));
                described.insert((here.clone(), key.name().to_owned()));
                if key.form().section().is_some_and(Section::has_heading) {
                    headings.insert(key.name());
                }
            }
        });
    }
    assert_eq!(listed, ASKED.take(), "sections and readers");
    // Any secret can be kept either way; the samples need not show both for each.
    let shown = |(_, key): &&(String, String)| key != "env" && key != "file";
    let written: BTreeSet<_> = written.iter().filter(shown).collect();
    assert_eq!(written, described.iter().filter(shown).collect(), "samples and sections");

    let manual = std::fs::read_to_string(Path::new(HERE).join("README.md")).unwrap();
    for (path, key) in &described {
        let is_heading = headings.contains(key.as_str());
        let is_explained = !path.contains(':') || key == "env" || key == "file" || is_heading;
        assert!(is_explained || manual.contains(&format!("| `{key}` |")), "{path}.{key} in the manual");
    }
}

fn written_keys(file: &str, path: &str, value: &Value, keys: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(table) => {
            let here = if path.is_empty() { file.to_owned() } else { format!("{file}:{path}") };
            for (key, below) in table {
                // Names that are the owner's.
                let (in_rule, table) = path.rsplit_once('.').unwrap_or_default();
                let is_field =
                    in_rule.starts_with("queue.rule.when") && ["headers", "cookies", "query"].contains(&table);
                if path != "keys.secrets" && !path.starts_with("page.texts") && !is_field {
                    keys.insert((here.clone(), key.clone()));
                }
                let below_path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let below_path = below_path.strip_prefix("route.").unwrap_or(&below_path).to_owned();
                written_keys(file, &below_path, below, keys);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| written_keys(file, path, item, keys)),
        _ => {}
    }
}

/// One setting of the schema and the smallest config that has it.
struct Setting {
    table: String,
    key: String,
    schema: Value,
}

impl Setting {
    fn all() -> Vec<Self> {
        let (server, tenant) = (server_file(), tenant_file());
        let tables = [
            ("server", &server["properties"]["server"]),
            ("node_tls", &server["properties"]["tls"]),
            ("store", &server["properties"]["store"]),
            ("origin", &tenant["properties"]["origin"]),
            ("health", &tenant["properties"]["origin"]["properties"]["health"]),
            ("cors", &tenant["properties"]["cors"]),
            ("tls", &tenant["properties"]["tls"]),
            ("cookies", &tenant["properties"]["cookies"]),
            ("queue", &tenant["properties"]["queue"]["items"]),
            ("route", &tenant["properties"]["route"]["items"]),
        ];
        let settings = |(table, schema): (&str, &Value)| -> Vec<Self> {
            let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{table}: {schema:#}"));
            let setting = |(key, schema): (&String, &Value)| Self {
                table: table.to_owned(),
                key: key.clone(),
                schema: schema.clone(),
            };
            properties.iter().map(setting).collect()
        };
        tables.into_iter().flat_map(settings).collect()
    }

    /// A config with this one value, written as TOML.
    fn with(&self, value: Option<&str>) -> Dir {
        let line = value.map(|value| format!("{} = {value}\n", self.key)).unwrap_or_default();
        let at = |table: &str| if self.table == table { line.as_str() } else { "" };
        let release = match self.key.as_str() {
            "release_per_minute" => "[[queue]]\nname = \"shop\"\n",
            "burst" => "[[queue]]\nname = \"shop\"\nrelease_per_minute = 1_000_000\n",
            _ => QUEUE,
        };
        let loss = "on_store_loss = \"hold\"\n";
        // Bounds that hang together are tried with the other one out of the way.
        let idle = if self.key == "session_max" { "session_idle = \"5s\"\n" } else { "" };
        let node = format!(
            "[server]\n{}[tls]\n{}[store]\nurl = \"redis://127.0.0.1\"\n{}",
            at("server"),
            at("node_tls"),
            at("store")
        );
        let shop = tenant(&[
            TENANT,
            ORIGIN,
            at("origin"),
            "[origin.health]\n",
            at("health"),
            "[cors]\nallowed_origins = [\"https://app.example.com\"]\n",
            at("cors"),
            "[tls]\ncertificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]\n",
            at("tls"),
            "[cookies]\n",
            at("cookies"),
            release,
            idle,
            loss,
            at("queue"),
        ]);
        Dir::node(&node).with("tenants/shop.toml", &shop).with_pair("shop", &CERTIFICATE)
    }

    fn name(&self) -> String {
        format!("{}.{}", self.table, self.key)
    }
}

#[test]
fn defaults_are_what_is_read_without_the_key() {
    let mut seen = 0;
    for setting in Setting::all() {
        let Some(default) = setting.schema.get("default") else { continue };
        // JSON is TOML as far as these values go.
        let (without, with) = (setting.with(None), setting.with(Some(&default.to_string())));
        let same =
            |config: &crate::Config, dir: &Dir| format!("{config:?}").replace(&dir.path().display().to_string(), "DIR");
        assert_eq!(same(&without.config(), &without), same(&with.config(), &with), "{}", setting.name());
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn numbers_have_the_same_bounds() {
    let mut seen = 0;
    for setting in Setting::all() {
        let bound = |name| setting.schema.get(name).and_then(Value::as_i64);
        let (Some(low), Some(high)) = (bound("minimum"), bound("maximum")) else { continue };
        let loads = |number: i64| setting.with(Some(&number.to_string())).load().is_ok();
        let tried = [low - 1, low, high, high + 1].map(loads);
        assert_eq!(tried, [false, true, true, false], "{}", setting.name());
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn durations_have_the_bounds_that_their_comments_name() {
    let mut seen = 0;
    for setting in Setting::all() {
        if setting.schema.get("pattern") != Some(&json!(crate::forms::duration::PATTERN)) {
            continue;
        }
        let comment = setting.schema["description"].as_str().unwrap().replace('\n', " ");
        let (_, bounds) = comment.rsplit_once(". From ").unwrap_or_else(|| panic!("{}: {comment}", setting.name()));
        let (low, high) = bounds.trim_end_matches('.').split_once(" to ").unwrap();
        let loads = |text: &str| setting.with(Some(&format!("{text:?}"))).load().is_ok();
        let millis = |text: &str| crate::forms::duration::parse(text).unwrap().as_millis();
        let below = millis(low).checked_sub(1).map(|below| format!("{below}ms"));
        assert!(!below.is_some_and(|below| loads(&below)), "{} below {low}", setting.name());
        assert!(loads(low) && loads(high), "{} at its bounds", setting.name());
        assert!(!loads(&format!("{}ms", millis(high) + 1)), "{} above {high}", setting.name());
        seen += 1;
    }
    assert!(seen >= 13, "{seen}");
}

/// Numbers in a declaration's words, where the code that counts stands elsewhere.
#[test]
fn words_of_declarations_name_the_bounds_of_the_code() {
    let key = |section: &Section, name: &str| {
        let key = section.key(name).unwrap();
        format!("{} {}", key.doc(), key.form().bounds())
    };
    let (start, end) = (limits::SECRET_BYTES.start(), limits::SECRET_BYTES.end());
    let grouped = |number: usize| words::grouped(u32::try_from(number).unwrap());
    for (said, number) in [
        (key(&queue::SECTION, "paths"), format!("at most {} bytes", limits::PATH_BYTES_MAX)),
        (key(&keys::SECTION, "secrets"), format!("{start} to {} bytes", grouped(*end))),
        (key(&store::SECTION, "password"), format!("at most {} bytes", grouped(limits::PASSWORD_BYTES_MAX))),
        (key(&store::SECTION, "url"), format!("at most {} hosts", store::NODES_MAX)),
        (key(&pair::SECTION, "chain"), format!("1 to {} names", grouped(*limits::CERTIFICATE_NAMES.end()))),
    ] {
        assert!(said.contains(&number), "{said}: {number}");
    }
}

#[test]
fn words_are_those_that_are_read() {
    let words: BTreeMap<_, _> = Setting::all()
        .into_iter()
        .filter(|setting| ["mode", "on_store_loss", "same_site", "balance"].contains(&setting.key.as_str()))
        .map(|setting| {
            let choices = setting.schema["oneOf"].as_array().unwrap_or_else(|| panic!("{:#}", setting.schema));
            let words: Vec<_> = choices.iter().map(|choice| choice["const"].as_str().unwrap().to_owned()).collect();
            (setting.key, words)
        })
        .collect();
    assert_eq!(words["mode"], crate::Mode::ALL.map(|(word, _)| word));
    assert_eq!(words["on_store_loss"], crate::OnStoreLoss::ALL.map(|(word, _)| word));
    assert_eq!(words["same_site"], crate::SameSite::ALL.map(|(word, _)| word));
    assert_eq!(words["balance"], crate::Balance::ALL.map(|(word, _)| word));
}

/// The files that editors load. `SLUICE_WRITE=1 cargo nextest run -p sluice-config` writes them anew.
#[test]
fn files_for_editors_are_up_to_date() {
    generated("schema/sluice.schema.json", |_| format!("{:#}\n", server_file()));
    generated("schema/tenant.schema.json", |_| format!("{:#}\n", tenant_file()));
}
