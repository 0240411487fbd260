//! What both kinds of file name and keep elsewhere: secrets and certificates.
#![expect(dead_code, reason = "the derive reads the shape; nobody builds one")]

use schemars::JsonSchema;

/// Where a secret is kept.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Secret {
    Env(SecretEnv),
    File(SecretFile),
}

/// In the environment.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SecretEnv {
    /// Name of the environment variable.
    env: String,
}

/// In a file.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SecretFile {
    /// Path of the file, from the config folder; only its owner may read it.
    file: String,
}

/// A certificate with its private key.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Pair {
    /// PEM file, from the config folder: the server's own certificate first, then those that lead to its root.
    #[schemars(length(min = 1))]
    chain: String,
    /// Private key in PEM that belongs to the certificate.
    key: Secret,
}
