//! `sluice admin`: the first door to the operators' API.

use std::{path::PathBuf, time::Duration};

use sluice_admission::token::Keyring;
use sluice_config::{Name, Role};

use super::Failed;
use crate::{
    admin::{
        access::{
            NewKey, Signer,
            token::{Claims, Kind, LIFE_MAX},
        },
        api,
    },
    commands::console::say,
    sinks::time,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print a token for a person: a bearer for the API, or one login at the dashboard.
    ///
    /// It is signed with a key derived from the master secret, so this needs a config folder whose secret can be read.
    Token(Token),
    /// Make a key for a program, and print it with its table for sluice.toml.
    Key(Key),
    /// Print the API's description (OpenAPI 3.1).
    Openapi,
}

#[derive(Debug, clap::Args)]
struct Token {
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// Who it is for, as the audit log will say.
    #[arg(long, default_value_t = user())]
    name: String,
    /// viewer, manager, admin or auditor.
    #[arg(long, default_value = "admin", value_parser = role)]
    role: Role,
    /// A tenant whose queues it may see and change, as often as needed. Without it: all.
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<Name>,
    /// How long it lives, at most 24h.
    #[arg(long = "for", default_value = "15m", value_name = "DURATION", value_parser = life)]
    life: Duration,
}

#[derive(Debug, clap::Args)]
struct Key {
    /// What the audit log will call it.
    id: String,
    /// viewer, manager, admin or auditor.
    #[arg(long, default_value = "viewer", value_parser = role)]
    role: Role,
    /// A tenant whose queues it may see and change, as often as needed. Without it: all.
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<Name>,
}

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    match &options.what {
        What::Token(token) => print_token(token),
        What::Key(key) => print_key(key),
        What::Openapi => {
            say(api::description()?);
            Ok(())
        }
    }
}

fn print_token(options: &Token) -> Result<(), Failed> {
    let config = super::load(&options.config)?;
    let keys = config.keys.as_ref().ok_or_else(|| Failed::Because("sluice.toml has no [keys]".into()))?;
    let known = |name: &&Name| !config.tenants.iter().any(|tenant| tenant.name == **name);
    if let Some(unknown) = options.tenants.iter().find(known) {
        return Err(Failed::Because(format!("there is no tenant {unknown}")));
    }
    if options.name.chars().any(char::is_control) || options.name.len() > 100 {
        return Err(Failed::Because("--name is one line of at most 100 bytes".into()));
    }
    let tenants: Vec<_> = options.tenants.iter().map(ToString::to_string).collect();
    let tenants = (!tenants.is_empty()).then_some(tenants);
    let claims = Claims::new(options.name.clone(), options.role, tenants, options.life, time::now_ms())
        .map_err(|_| Failed::Because("the system gives no random bytes".into()))?;
    say(Signer::new(&Keyring::new(keys)?).sign(&claims, Kind::Token));
    Ok(())
}

fn print_key(options: &Key) -> Result<(), Failed> {
    let id = Name::new(&options.id)
        .ok_or_else(|| Failed::Because("an id is 1 to 32 of a-z 0-9 - _, beginning with a letter or digit".into()))?;
    let new = NewKey::make(id.as_str()).map_err(|_| Failed::Because("the system gives no random bytes".into()))?;
    let tenants: Vec<_> = options.tenants.iter().map(|tenant| format!("\"{tenant}\"")).collect();
    say(format_args!("# The key, for the program alone; it is not shown again:\n#   {}\n", new.key));
    say(format_args!("[[admin.key]]\nid = \"{id}\"\nhash = \"{}\"\nrole = \"{}\"", new.hash, options.role.as_str()));
    if !tenants.is_empty() {
        say(format_args!("tenants = [{}]", tenants.join(", ")));
    }
    Ok(())
}

fn user() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "operator".into())
}

fn role(written: &str) -> Result<Role, String> {
    Role::from_name(written).ok_or_else(|| "write viewer, manager, admin or auditor".into())
}

fn tenant(written: &str) -> Result<Name, String> {
    Name::new(written).ok_or_else(|| "not the name of a tenant".into())
}

fn life(written: &str) -> Result<Duration, String> {
    match humantime::parse_duration(written) {
        Ok(life) if life > LIFE_MAX => Err("at most 24h".into()),
        Ok(life) if life.is_zero() => Err("at least 1s".into()),
        Ok(life) => Ok(life),
        Err(_) => Err("write a duration such as 15m or 2h".into()),
    }
}
