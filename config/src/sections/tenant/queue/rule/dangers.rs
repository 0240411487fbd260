//! Rules that let through what their authors do not mean.

use http::header;

use super::conditions::When;
use crate::diagnostics::Wrong;

/// Refuses a rule that passes whoever likes to.
pub(super) fn check(when: &When) -> Result<(), Wrong> {
    let all = &when.all;
    if all.clients.as_ref().is_some_and(|clients| clients.is_everybody()) {
        return Err(Wrong::malformed(
            "`clients` are everybody",
            "name the networks of those who may pass, or leave it out",
        ));
    }
    let names_clients = all.clients.is_some();
    if all.headers.iter().any(|(name, _)| *name == header::USER_AGENT) && !names_clients {
        return Err(Wrong::malformed(
            "a rule that passes by `user-agent` passes everybody: any client may call itself so",
            "add the networks of those who may: `clients`, or `clients_file` as crawlers' operators publish it",
        ));
    }
    for path in all.path_patterns().filter(|_| !names_clients) {
        let written = path.as_str();
        if !written.is_ascii() || written.bytes().zip(written.bytes().skip(1)).any(|(a, b)| a == b'%' && b >= b'8') {
            return Err(Wrong::malformed(
                format!(
                    "`{written}` has letters above ASCII, which origins read in more than one way, so that the rule \
                         would pass nothing"
                ),
                "write `*` in their place, or pass an address that has none",
            ));
        }
        if path.prefix() == "/" && is_by_ending(written) {
            return Err(Wrong::malformed(
                format!(
                    "`{written}` passes by the ending of a file, which many servers ignore: /checkout/x.js would \
                         pass and be /checkout"
                ),
                "name the folder that the files are in, such as \"/assets/**\"",
            ));
        }
    }
    // What is for every path is no condition.
    let is_any_path = all.paths.iter().any(|path| path.as_str() == "/**");
    let mut rest = all.clone();
    if is_any_path {
        rest.paths.clear();
    }
    if rest.is_empty() {
        return Err(Wrong::malformed(
            "the rule passes every request",
            "say which: `path`, `clients`, `headers`; or write `mode = \"open\"` into the queue",
        ));
    }
    Ok(())
}

/// What is no mistake, but likely not meant.
pub(super) fn remark(when: &When) -> Option<String> {
    let all = &when.all;
    let by_ending = |path: &&crate::PathPattern| path.as_str().contains("**") && is_by_ending(path.as_str());
    if let Some(path) = all.paths.iter().find(by_ending).filter(|_| all.clients.is_none()) {
        return Some(format!(
            "passes by the ending of a file (`{path}`), which many servers ignore; name the folder that the files are in"
        ));
    }
    let begins_anyhow = |expression: &&crate::PathPattern| {
        let text = expression.as_str().trim_start_matches(['^', '/', '(']);
        text.starts_with(".*") || text.starts_with(".+")
    };
    if let Some(path) = all.path_regex.as_ref().filter(begins_anyhow).filter(|_| all.clients.is_none()) {
        return Some(format!("passes paths that begin anyhow (`{path}`); write what they begin with"));
    }
    let by_client =
        all.methods.is_empty() && all.path_patterns().next().is_none() && all.hosts.is_empty() && all.clients.is_none();
    by_client.then(|| {
        "passes everybody who sends what it asks for, on every path; add `path` or `clients`, or keep it a secret"
            .to_owned()
    })
}

/// Whether a glob ends in a wildcard and the ending of a file's name.
fn is_by_ending(glob: &str) -> bool {
    let last = glob.rsplit('/').next().unwrap_or_default();
    let Some((_, ending)) = last.rsplit_once('*') else { return false };
    let Some((_, ending)) = ending.rsplit_once('.') else { return false };
    !ending.is_empty() && ending.bytes().all(|b| b.is_ascii_alphanumeric())
}
