//! The request that carries a call: everything but its body, which is the message as it is.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::CallOut;
use super::key::Identity;
use super::secret::Secrets;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How the agent names itself.
pub(super) const USER_AGENT: &str = concat!("camshaft/", env!("CARGO_PKG_VERSION"));

/// Returns the headers of an attempt that is made now.
pub(super) fn headers(
    call: &CallOut,
    identity: &Identity,
    secrets: Option<&Secrets>,
    now: SystemTime,
) -> HeaderMap {
    let key = identity.key(&call.id);
    // "Webhook metadata": the time of the attempt and not of the event, against replays.
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let signature = secrets.map(|secrets| secrets.sign(&key, timestamp, call.message.as_bytes()));
    let texts = [
        ("idempotency-key", Some(key.clone())),
        ("webhook-id", Some(key)),
        ("webhook-timestamp", Some(timestamp.to_string())),
        ("webhook-signature", signature),
        ("camshaft-instance", Some(escaped(&call.id.instance.to_string()))),
        ("camshaft-port", Some(call.port.port.to_string())),
        ("camshaft-key", call.key.as_deref().map(escaped)),
        ("traceparent", call.trace.clone()),
    ];
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON), (ACCEPT, JSON)]);
    for (name, value) in texts {
        // A trace that is no header came from outside; the call matters more than who follows it.
        if let Some(Ok(mut value)) = value.map(|value| HeaderValue::from_str(&value)) {
            value.set_sensitive(name == "webhook-signature");
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// Returns a text as a header can carry it: what is neither `/` nor unreserved in a URL is written `%XX`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ports::CallId;

    fn call(instance: &str, key: Option<&str>, trace: Option<&str>) -> CallOut {
        let instance: camshaft_manifests::address::InstanceAddress = instance.parse().expect("an address");
        let port = camshaft_manifests::agent::PortAddress {
            machine: instance.machine_address(),
            port: "mail".parse().expect("a name"),
        };
        CallOut {
            id: CallId { instance, seq: 3, effect: 1 },
            port,
            key: key.map(str::to_owned),
            message: "{\"test\": 2432232314}".to_owned(),
            answers: true,
            trace: trace.map(str::to_owned),
        }
    }

    fn shown(call: &CallOut, secrets: Option<&Secrets>) -> Vec<String> {
        let now = UNIX_EPOCH + Duration::from_millis(1_614_265_330_999);
        let headers = headers(call, &Identity::new([1; 32]), secrets, now);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().expect("letters"))
        };
        let mut lines: Vec<String> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_request_says_what_it_is() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let call = call("shop/till/a b", Some("é"), Some(trace));
        let key = Identity::new([1; 32]).key(&call.id);
        let expected = [
            "accept: application/json".to_owned(),
            "camshaft-instance: shop/till/a%20b".to_owned(),
            "camshaft-key: %C3%A9".to_owned(),
            "camshaft-port: mail".to_owned(),
            "content-type: application/json".to_owned(),
            format!("idempotency-key: {key}"),
            format!("traceparent: {trace}"),
            format!("webhook-id: {key}"),
            "webhook-timestamp: 1614265330".to_owned(),
        ];
        assert_eq!(shown(&call, None), expected);
        let secrets = Secrets::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature = secrets.sign(&key, 1_614_265_330, b"{\"test\": 2432232314}");
        let found = shown(&call, Some(&secrets));
        assert!(found.contains(&format!("webhook-signature: {signature}")), "{found:?}");
        assert_eq!(found.len(), expected.len() + 1);
    }

    #[test]
    fn what_no_header_can_carry_is_escaped_or_left_out() {
        let found = shown(&call("shop/till/a\r\nx: y%", None, Some("a\r\nx: y")), None);
        assert!(found.contains(&"camshaft-instance: shop/till/a%0D%0Ax%3A%20y%25".to_owned()), "{found:?}");
        assert!(
            found.iter().all(|line| !line.starts_with("traceparent") && !line.starts_with("camshaft-key"))
        );
    }

    #[test]
    fn a_signature_is_not_shown() {
        let secrets = Secrets::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let call = call("shop/till", None, None);
        let headers = headers(&call, &Identity::new([1; 32]), Some(&secrets), UNIX_EPOCH);
        assert!(format!("{headers:?}").contains("\"webhook-signature\": Sensitive"));
    }
}
