//! Where a gateway is: a base URL that was checked, and the targets of requests below it.
//!
//! Invariants: the scheme is http or https, there is a host, and there are no credentials and no
//! query in it: what stands in front of an `@` is a password and reaches neither wire nor log.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use thiserror::Error;

use super::exchange::Peer;

/// Why a client cannot be made.
#[derive(Debug, Error)]
pub enum GatewayClientError {
    /// The base URL is not one of http or https with a host.
    #[error("{url:?} is not the base URL of a gateway: {reason}")]
    BaseUrl {
        /// What was configured, without a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting cannot be sent in a request.
    #[error("the {setting} of the gateway cannot be sent: it must be visible ASCII")]
    Setting {
        /// Which one.
        setting: &'static str,
    },
    /// The HTTP client cannot be set up, for want of TLS roots for instance.
    #[error("the HTTP client of the gateway cannot be set up: {0}")]
    Client(String),
}

/// A checked base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BaseUrl {
    uri: Uri,
    host: HeaderValue,
}

impl BaseUrl {
    /// A base URL such as `http://127.0.0.1:8090` or `https://api.example.com/gateway/`.
    pub(super) fn parse(text: &str) -> Result<Self, GatewayClientError> {
        let refused = |reason: &str| refused(text, reason);
        let uri: Uri = text.parse().map_err(|_| refused("it is not a URL"))?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let (true, Some(authority)) = (is_http, authority) else {
            return Err(refused("it must start with http:// or https:// and name a host"));
        };
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(refused("it must not have credentials or a query"));
        }
        let host = HeaderValue::try_from(authority.as_str())
            .map_err(|_| refused("its host cannot be sent"))?;
        Ok(Self { uri, host })
    }

    /// Whether what is sent there can be read on the way: plain HTTP to another machine.
    pub(super) fn is_overheard(&self) -> bool {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.uri.scheme_str() != Some("https") && !is_here
    }

    /// The value of the header `Host`.
    pub(super) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    /// The target of requests to the base itself.
    pub(super) fn target(&self) -> Uri {
        let path = self.uri.path_and_query().cloned();
        path.map_or_else(Uri::default, Uri::from)
    }

    /// The target of requests for `name` below the base.
    pub(super) fn under(&self, name: &str) -> Result<Uri, GatewayClientError> {
        let path = self.uri.path().trim_end_matches('/');
        let target = format!("{path}/{name}").parse::<Uri>();
        target.map_err(|_| refused(&self.uri.to_string(), "its path cannot be sent"))
    }

    /// The peer that is there.
    pub(super) fn peer(self, connect_timeout: Duration) -> Result<Peer, GatewayClientError> {
        Peer::new(self.uri, connect_timeout).map_err(GatewayClientError::Client)
    }
}

fn refused(url: &str, reason: &str) -> GatewayClientError {
    // Whatever stands before an @ is a password and must not reach a log.
    let url = url.rsplit('@').next().unwrap_or_default().to_owned();
    GatewayClientError::BaseUrl { url, reason: reason.to_owned() }
}

/// Everything but unreserved characters as `%XX`.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::*;

    #[test]
    fn plain_http_is_overheard_unless_it_stays_on_this_machine() {
        let rows = [
            ("https://api.stripe.com", false),
            ("http://api.stripe.com", true),
            ("http://10.0.0.1:80", true),
            ("http://127.0.0.1:12111", false),
            ("http://[::1]:12111", false),
            ("http://localhost", false),
        ];
        for (url, is_overheard) in rows {
            assert_eq!(BaseUrl::parse(url).unwrap().is_overheard(), is_overheard, "{url}");
        }
    }

    #[test]
    fn targets_stand_below_the_base() {
        for base in ["http://h/gateway", "http://h/gateway/"] {
            let target = BaseUrl::parse(base).unwrap().under("v1/charges").unwrap();
            assert_eq!(target, "/gateway/v1/charges");
        }
        assert_eq!(BaseUrl::parse("https://h/a/b").unwrap().target(), "/a/b");
        assert_eq!(BaseUrl::parse("https://h").unwrap().target(), "/");
        assert_eq!(percent_encoded("a b/ä'\""), "a%20b%2F%C3%A4%27%22");
    }
}
