//! Keys of programs: `slk_ID_SECRET`, of which the config holds the hash.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};
use sluice_config::AdminKey;

use super::{Principal, Via};

/// Every key begins with this, so that scanners for leaked secrets find it.
pub(super) const PREFIX: &str = "slk_";
/// Longer ones are refused unread.
const BYTES_MAX: usize = 128;

/// The key's principal, if it is one of these and has not expired.
pub(super) fn find(keys: &[Arc<AdminKey>], written: &str, now_ms: u64) -> Option<Principal> {
    if written.len() > BYTES_MAX {
        return None;
    }
    // The hash is not a secret: that its comparison takes different times tells nothing of the key.
    let hash = digest(&SHA256, written.as_bytes());
    let key = keys.iter().find(|key| key.hash == hash.as_ref())?;
    let now = UNIX_EPOCH + Duration::from_millis(now_ms);
    if key.expires.is_some_and(|expires| now >= expires) {
        return None;
    }
    Some(Principal {
        id: format!("key:{}", key.id),
        via: Via::Key,
        role: key.role,
        tenants: key.tenants.as_ref().map(|tenants| tenants.iter().map(ToString::to_string).collect()),
    })
}

/// A key that was just made.
pub(crate) struct NewKey {
    /// What the program gets, and no one else.
    pub(crate) key: String,
    /// What the config gets.
    pub(crate) hash: String,
}

impl NewKey {
    /// # Errors
    /// If the system gives no random bytes.
    pub(crate) fn make(id: &str) -> Result<Self, ring::error::Unspecified> {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret)?;
        let key = format!("{PREFIX}{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
        let hash =
            digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(Self { key, hash: format!("sha256:{hash}") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluice_config::{Name, Role};

    use super::*;

    fn known(new: &NewKey, expires_ms: Option<u64>) -> Vec<Arc<AdminKey>> {
        let digits = new.hash.strip_prefix("sha256:").unwrap();
        let hash = std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap());
        let expires = expires_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
        let tenants = Some(vec![Name::new("shop").unwrap()]);
        vec![Arc::new(AdminKey { id: Name::new("ci").unwrap(), hash, role: Role::Viewer, tenants, expires })]
    }

    #[test]
    fn a_key_is_known_by_its_hash_until_it_expires() {
        let new = NewKey::make("ci").unwrap();
        let keys = known(&new, Some(2_000));
        let principal = find(&keys, &new.key, 1_999).unwrap();
        assert_eq!((&*principal.id, principal.sees("shop"), principal.sees("other")), ("key:ci", true, false));
        assert_eq!(find(&keys, &new.key, 2_000), None);
        assert_eq!(find(&keys, &format!("{}x", new.key), 0), None);
        assert_eq!(find(&keys, &NewKey::make("ci").unwrap().key, 0), None);
        assert_eq!(find(&keys, &"x".repeat(10_000), 0), None);
    }
}
