//! What a config may ask for, and this version does not serve yet: `check` notes it, `run` and a reload refuse it.

use sluice_config::Config;

/// Everything of that sort in a config, each with what to do instead.
pub(crate) fn in_config(config: &Config) -> Vec<String> {
    let mut all = Vec::new();
    if !config.server.https.is_empty() {
        all.push(
            "server.https is set, but this version does not end TLS yet; put a TLS terminator in front, name it in \
             trusted_proxies and use server.http"
                .to_owned(),
        );
    }
    all
}
