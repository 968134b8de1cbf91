//! Access to the server: its reach, the token, and the headers Host and Origin.
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use gopiper_core::secrets;
use hyper::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use tracing::warn;

/// How often refused requests are logged. A flood of them must not fill the log.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// Decides which requests of one listener are answered.
pub(super) struct Access {
    reach: Reach,
    token: Option<String>,
    refused: Mutex<Refused>,
}

/// The clients that can reach a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The user that the process runs as: the control socket.
    User,
    /// All users of this machine.
    Machine,
    /// Other machines.
    Network,
}

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// The files of the page, which contain no data.
    Files,
    /// Metrics, states, names of components.
    Numbers,
    /// Data that may contain parts of messages, such as errors.
    Contents,
    /// A change: of dead letters, or of the work of the pipelines.
    Change,
}

#[derive(Default)]
struct Refused {
    count: u64,
    logged: Option<Instant>,
}

impl Access {
    pub(super) fn new(reach: Reach, token: Option<String>) -> Self {
        token.iter().for_each(|token| secrets::keep(token));
        Access { reach, token, refused: Mutex::default() }
    }

    /// Whether only the user that the process runs as can reach the listener.
    pub(super) fn is_of_user(&self) -> bool {
        self.reach == Reach::User
    }

    /// Refuses a request that may not be answered.
    ///
    /// # Errors
    /// The status and the text of the refusal.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        asks: Asks,
    ) -> Result<(), (StatusCode, &'static str)> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("\0"));
        // Another site may have made its name point to this address (DNS rebinding). Browsers
        // always send the header; simple health checks do not.
        if self.reach == Reach::Machine && !text(header::HOST).is_none_or(is_this_machine) {
            let why = "the header Host names another machine: use localhost or 127.0.0.1";
            return Err((StatusCode::FORBIDDEN, why));
        }
        let needs_token = match self.reach {
            Reach::User => false,
            Reach::Machine => matches!(asks, Asks::Contents | Asks::Change),
            Reach::Network => asks != Asks::Files,
        };
        if needs_token && self.token.is_none() {
            let why = "this needs a token: start gopiper with --http-token-file or --http-token-env, or \
                       ask over the control socket (gopiper top)";
            return Err((StatusCode::UNAUTHORIZED, why));
        }
        if needs_token && !self.accepts(text(header::AUTHORIZATION).unwrap_or("")) {
            self.log_refusal();
            let why = "a token is missing or wrong: send 'Authorization: Bearer TOKEN'";
            return Err((StatusCode::UNAUTHORIZED, why));
        }
        match (text(header::ORIGIN), text(header::HOST)) {
            (Some(origin), Some(host)) if !is_of_host(origin, host) => {
                return Err((
                    StatusCode::FORBIDDEN,
                    "requests from pages of other sites are refused",
                ));
            }
            _ => {}
        }
        // A form of another site cannot send this type.
        if asks == Asks::Change && !text(header::CONTENT_TYPE).is_some_and(is_json) {
            let why = "a change needs the header 'Content-Type: application/json'";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        Ok(())
    }

    /// Whether there is a token, with which clients can see the contents of messages.
    pub(super) fn is_protected(&self) -> bool {
        self.token.is_some()
    }

    fn accepts(&self, authorization: &str) -> bool {
        let Some((scheme, given)) = authorization.split_once(' ') else { return false };
        let digest = |text: &str| blake3::hash(text.as_bytes());
        // Digests are compared in constant time.
        let is_same =
            self.token.as_ref().is_some_and(|token| digest(token) == digest(given.trim()));
        scheme.eq_ignore_ascii_case("bearer") && is_same
    }

    fn log_refusal(&self) {
        let mut refused = self.refused.lock();
        refused.count += 1;
        if refused.logged.is_some_and(|when| when.elapsed() < LOGGED_EVERY) {
            return;
        }
        let mut text = String::from("HTTP: a request without the right token was refused");
        if refused.count > 1 {
            let _ = write!(text, " ({} since the last such line)", refused.count);
        }
        warn!(code = "token_refused", "{text}");
        *refused = Refused { count: 0, logged: Some(Instant::now()) };
    }
}

/// Whether a request comes from this server's own page. A proxy may have added TLS.
fn is_of_host(origin: &str, host: &str) -> bool {
    let schemes = ["http://", "https://"];
    schemes.iter().any(|scheme| origin.strip_prefix(scheme) == Some(host))
}

/// Whether a header `Content-Type` names JSON, with or without parameters.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or("");
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// Whether the host of a header `Host`, with or without a port, is this machine.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(header::HeaderName, &'static str)| {
            (name.clone(), header::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn refused(access: &Access, pairs: &[(header::HeaderName, &'static str)]) -> u16 {
        asked(access, pairs, Asks::Numbers)
    }

    fn asked(access: &Access, pairs: &[(header::HeaderName, &'static str)], asks: Asks) -> u16 {
        access.check(&headers(pairs), asks).err().map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn on_this_machine_the_host_has_to_be_this_machine() {
        let access = Access::new(Reach::Machine, None);
        for host in ["localhost:9598", "127.0.0.1:9598", "[::1]:9598", "LOCALHOST", "127.1.2.3"] {
            assert_eq!(refused(&access, &[(header::HOST, host)]), 200, "{host}");
        }
        for host in ["example.test:9598", "127.0.0.1.example.test", "", "[::2]:80"] {
            assert_eq!(refused(&access, &[(header::HOST, host)]), 403, "{host}");
        }
        assert_eq!(refused(&access, &[]), 200);
        let own = [(header::HOST, "localhost:1"), (header::ORIGIN, "http://localhost:1")];
        assert_eq!(refused(&access, &own), 200);
        let other = [(header::HOST, "localhost:1"), (header::ORIGIN, "http://example.test")];
        assert_eq!(refused(&access, &other), 403);
        let proxy = [(header::HOST, "localhost:1"), (header::ORIGIN, "https://localhost:1")];
        assert_eq!(refused(&access, &proxy), 200);
        let none = [(header::HOST, "localhost:1"), (header::ORIGIN, "null")];
        assert_eq!(refused(&access, &none), 403, "a sandboxed page, or a file");
    }

    #[test]
    fn from_elsewhere_a_token_is_needed() {
        let access = Access::new(Reach::Network, Some("a-token-of-some-length".into()));
        for (authorization, status) in [
            ("Bearer a-token-of-some-length", 200),
            ("bearer  a-token-of-some-length", 200),
            ("Bearer a-token-of-some-lengthy", 401),
            ("Basic a-token-of-some-length", 401),
            ("a-token-of-some-length", 401),
        ] {
            let given = [(header::AUTHORIZATION, authorization), (header::HOST, "any.test")];
            assert_eq!(refused(&access, &given), status, "{authorization}");
        }
        assert_eq!(refused(&access, &[(header::HOST, "any.test")]), 401);
        assert_eq!(asked(&access, &[], Asks::Files), 200, "the page asks for the token");
    }

    #[test]
    fn a_change_needs_the_token_and_a_type_that_forms_do_not_have() {
        let access = Access::new(Reach::Machine, Some("a-token-of-some-length".into()));
        let token = (header::AUTHORIZATION, "Bearer a-token-of-some-length");
        let json = (header::CONTENT_TYPE, "application/json");
        let form = (header::CONTENT_TYPE, "text/plain");
        let site = (header::ORIGIN, "http://example.test");
        let here = (header::HOST, "localhost:1");
        let asked = |pairs: &[_]| asked(&access, pairs, Asks::Change);
        assert_eq!(asked(&[token.clone(), json.clone()]), 200);
        for (content_type, status) in [
            ("application/json; charset=utf-8", 200),
            (" Application/JSON ;charset=UTF-8", 200),
            ("text/plain; application/json", 415),
            ("application/json5", 415),
        ] {
            let given = [token.clone(), (header::CONTENT_TYPE, content_type)];
            assert_eq!(asked(&given), status, "{content_type}");
        }
        assert_eq!(asked(std::slice::from_ref(&json)), 401);
        assert_eq!([asked(std::slice::from_ref(&token)), asked(&[token.clone(), form])], [415; 2]);
        assert_eq!(asked(&[token, json.clone(), here, site]), 403);
        assert_eq!(
            super::Access::new(Reach::User, None).check(&headers(&[json]), Asks::Change),
            Ok(())
        );
    }

    #[test]
    fn contents_need_a_token_unless_the_user_asks() {
        let token = || Some("a-token-of-some-length".to_owned());
        let given = [(header::AUTHORIZATION, "Bearer a-token-of-some-length")];
        let asked = |access: &Access, pairs: &[_]| asked(access, pairs, Asks::Contents);
        assert_eq!(asked(&Access::new(Reach::User, None), &[]), 200);
        let machine = Access::new(Reach::Machine, token());
        assert_eq!([asked(&machine, &[]), asked(&machine, &given)], [401, 200]);
        let without = Access::new(Reach::Machine, None);
        assert_eq!([asked(&without, &[]), asked(&without, &given)], [401, 401]);
    }
}
