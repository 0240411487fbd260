//! The signature of Standard Webhooks: HMAC-SHA-256 over id, time and body, under each secret.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;
use sluice_config::Secret;

/// The value of `webhook-signature`.
pub(super) fn signature(secrets: &[Secret], id: &str, timestamp_s: u64, body: &str) -> String {
    let signed = format!("{id}.{timestamp_s}.{body}");
    let sign = |secret: &Secret| {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), signed.as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(mac))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The example of the convention's own libraries.
    #[test]
    fn it_is_that_of_the_convention() {
        let secret = Secret::new(BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(std::slice::from_ref(&secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = signature(&[Secret::new([7; 24]), secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert!(both.ends_with(&format!(" {signed}")), "{both}");
    }
}
