//! From a directory to a [`Config`], or to all that is wrong with it.

mod files;
mod syntax;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeTable;

use files::{NODE_FILE, TENANTS_DIR};

use crate::{
    diagnostics::{Diagnostics, Errors, Kind, Mistake, Read, Source, Wrong},
    limits::TENANTS_MAX,
    outside::Outside,
    sections::{KNOWN_KEYS, node, tenant},
    settings::{Config, Tenant},
};

/// Reads a config directory: `sluice.toml`, `tenants/*.toml` and the secrets they name, from files and from the
/// environment.
///
/// Host names of origins are resolved here, and only here: a reload resolves them again. Blocking, so call it off
/// the threads that serve.
///
/// # Errors
///
/// Every mistake in every file. A file that is not even TOML hides neither the mistakes of the others nor, as far
/// as it makes sense, its own.
pub fn load(dir: impl AsRef<Path>) -> Result<Config, Errors> {
    load_with(dir.as_ref(), &|name| std::env::var(name).ok())
}

/// [`load`] with the environment as an argument: `env` gives the value of a variable.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Errors> {
    read(&Outside::new(dir, env))
}

/// Where a node with this config directory answers for its health and its metrics; `None` if it does not.
///
/// Reads `admin` in `[server]` of `sluice.toml` and nothing else: no secrets, no certificates, no tenants. So it works
/// for a process that may not read them, and while another part of the config is being changed.
///
/// # Errors
///
/// The file cannot be read, is not TOML where it says so, or names no address.
pub fn admin_listener(dir: impl AsRef<Path>) -> Result<Option<SocketAddr>, Errors> {
    let mut mistakes = Vec::new();
    let read = file(files::node_file(dir.as_ref()), &mut mistakes, node::read_admin);
    read.ok_or_else(|| Errors::new(mistakes))
}

pub(crate) fn read(outside: &Outside<'_>) -> Result<Config, Errors> {
    if !outside.dir.is_dir() {
        let wrong = Wrong::new(
            Kind::Unreadable,
            "there is no such config folder",
            format!("create it, with {NODE_FILE} and {TENANTS_DIR}/NAME.toml in it"),
        );
        return Err(Errors::new(vec![whole(outside.dir.to_owned(), wrong)]));
    }
    let mut mistakes = Vec::new();
    let (mut is_store_shared, mut has_acme) = (false, true);
    let mut without_certificate = None;
    let node = file(files::node_file(outside.dir), &mut mistakes, |diagnostics, entries| {
        (is_store_shared, has_acme) = (node::is_store_shared(entries), node::has_acme(entries));
        let node = node::read(diagnostics, entries, outside);
        without_certificate = node::without_certificate(diagnostics, entries);
        node
    });
    let mut of_tenants = Vec::new();
    let Tenants { tenants, all_without_tls } =
        tenants(outside, is_store_shared, tenant::Shared::new(has_acme), &mut of_tenants);
    if let Some(mistake) = without_certificate.filter(|_| all_without_tls) {
        mistakes.push(mistake);
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    }
    mistakes.append(&mut of_tenants);
    match node {
        Some(node) if mistakes.is_empty() => Ok(Config {
            server: node.server,
            tls: node.tls,
            acme: node.acme,
            store: node.store,
            keys: node.keys,
            admin: node.admin,
            limits: node.limits,
            access_log: node.access_log,
            tenants,
        }),
        _ => Err(Errors::new(mistakes)),
    }
}

/// What the tenants' files say.
#[derive(Default)]
struct Tenants {
    tenants: Vec<Arc<Tenant>>,
    /// Whether all were read and none, right or wrong, brings a certificate.
    all_without_tls: bool,
}

fn tenants(
    outside: &Outside<'_>,
    is_store_shared: bool,
    mut shared: tenant::Shared,
    mistakes: &mut Vec<Mistake>,
) -> Tenants {
    let folder = outside.dir.join(TENANTS_DIR);
    let create =
        format!("create {} with `name`, `hosts`, `[origin]` and `[[queue]]` in it", folder.join("NAME.toml").display());
    let paths = match files::tenant_files(outside.dir) {
        Ok(paths) if paths.is_empty() => {
            let wrong = Wrong::new(Kind::Unreadable, "there is no tenant in this folder", create);
            mistakes.push(whole(folder, wrong));
            return Tenants::default();
        }
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("the folder cannot be read: {error}");
            mistakes.push(whole(folder, Wrong::new(Kind::Unreadable, message, create)));
            return Tenants::default();
        }
    };
    if paths.len() > TENANTS_MAX {
        let message = format!("there are {} tenants", paths.len());
        let help = format!("one node serves at most {TENANTS_MAX}: spread them over several");
        mistakes.push(whole(folder, Wrong::new(Kind::OutOfRange, message, help)));
        return Tenants::default();
    }
    let (files, mut without_tls) = (paths.len(), 0);
    let mut read = |path| {
        file(path, mistakes, |diagnostics, entries| {
            without_tls += usize::from(tenant::is_without_tls(diagnostics, entries));
            tenant::read(diagnostics, entries, outside, is_store_shared, &mut shared)
        })
    };
    let tenants = paths.into_iter().filter_map(|path| read(path).map(Arc::new)).collect();
    Tenants { tenants, all_without_tls: without_tls == files }
}

/// Reads one file and adds its mistakes to the others.
fn file<T>(
    path: PathBuf,
    mistakes: &mut Vec<Mistake>,
    read: impl FnOnce(&Diagnostics, &DeTable<'_>) -> Read<T>,
) -> Option<T> {
    let text = match files::read(&path) {
        Ok(bytes) => String::from_utf8(bytes),
        Err(error) => {
            mistakes.push(whole(path, unreadable(&error)));
            return None;
        }
    };
    let diagnostics = match text {
        Ok(text) => Diagnostics::new(Source::new(path, text), &KNOWN_KEYS),
        Err(error) => {
            mistakes.extend(not_text(path, &error));
            return None;
        }
    };
    let result = syntax::parse(&diagnostics, |entries| read(&diagnostics, entries));
    mistakes.extend(diagnostics.close());
    result.and_then(Read::ok)
}

/// A mistake of a file or folder as a whole.
fn whole(path: PathBuf, wrong: Wrong) -> Mistake {
    let place = Source::new(path, String::new()).place(0);
    Mistake {
        kind: wrong.kind,
        file: place.file,
        line: place.line,
        column: place.column,
        text: String::new(),
        message: wrong.message,
        help: wrong.help,
        excerpt: None,
    }
}

fn unreadable(error: &io::Error) -> Wrong {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "create it: `[server]` with nothing below it will do to begin with",
        io::ErrorKind::PermissionDenied => "let the user that Sluice runs as read it",
        _ => "it must be a regular file of at most 1 MiB",
    };
    Wrong::new(Kind::Unreadable, format!("the file cannot be read: {error}"), help)
}

/// The place of the first byte that is not UTF-8.
fn not_text(path: PathBuf, error: &std::string::FromUtf8Error) -> Vec<Mistake> {
    // Up to the first bad byte the lossy text is the file's, and there it has one replacement character.
    let start = error.utf8_error().valid_up_to();
    let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
    let diagnostics =
        Diagnostics::new(Source::new(path, String::from_utf8_lossy(error.as_bytes()).into_owned()), &KNOWN_KEYS);
    diagnostics.set_broken();
    let help = "save the file as UTF-8";
    diagnostics.report(start..end, Wrong::new(Kind::Unreadable, "the file is not UTF-8 from here on", help));
    diagnostics.close()
}
