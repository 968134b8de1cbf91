//! The settings of the sender: the URL, and the variables that other programs with OpenTelemetry
//! read, too.
use std::{ffi::OsString, fs, process, time::Duration};

use gopiper_core::secrets;
use hyper::Uri;
use opentelemetry_proto::tonic::{common::v1::any_value::Value, resource::v1::Resource};
use percent_encoding::percent_decode_str;
use rustix::system::uname;
use tonic::{
    metadata::{AsciiMetadataValue, MetadataKey, MetadataMap},
    transport::Endpoint,
};

use super::values::{attribute, text};

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";

/// How often metrics are sent, unless the operator sets the variable.
const METRICS_EVERY: Duration = Duration::from_secs(15);
/// The time that connecting may take.
const CONNECTING: Duration = Duration::from_secs(5);

/// The receiver, and the data that each request contains.
pub(super) struct OtlpSettings {
    pub(super) url: String,
    pub(super) endpoint: Endpoint,
    pub(super) headers: MetadataMap,
    pub(super) resource: Resource,
    pub(super) interval: Duration,
}

impl OtlpSettings {
    /// `variable` reads an environment variable.
    ///
    /// # Errors
    /// The URL or a variable cannot be used, as text.
    pub(super) fn new(
        url: &str,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        // An empty variable counts as unset, like gopiper's own variables.
        let variable = |name: &str| match variable(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value).filter(|value| !value.is_empty())),
            Some(Err(_)) => Err(format!("{name}: is not UTF-8")),
        };
        let headers = variable(HEADERS)?.map_or_else(|| Ok(MetadataMap::new()), |it| headers(&it));
        let attributes = variable(ATTRIBUTES)?
            .map_or_else(|| Ok(Vec::new()), |value| pairs(&value, ATTRIBUTES))?;
        let interval = match variable(INTERVAL)? {
            None => METRICS_EVERY,
            Some(text) => match text.trim().parse() {
                Ok(milliseconds) if milliseconds > 0 => Duration::from_millis(milliseconds),
                _ => {
                    return Err(format!(
                        "{INTERVAL}: '{text}' is not a number of milliseconds greater than 0, as in 15000"
                    ));
                }
            },
        };
        Ok(OtlpSettings {
            endpoint: endpoint(url)?,
            // Without the slash at its end, because paths begin with one.
            url: url.trim_end_matches('/').to_owned(),
            headers: headers?,
            resource: resource(variable(SERVICE)?, &attributes),
            interval,
        })
    }
}

/// A receiver by its URL.
fn endpoint(url: &str) -> Result<Endpoint, String> {
    let example = "use one like http://127.0.0.1:4317";
    if url.contains('@') {
        // The part before it may be a password, so the URL is not shown.
        return Err(format!(
            "--otlp: a URL may not contain a user or a password: leave them out, and set {HEADERS} \
             if the receiver wants a token"
        ));
    }
    let wrong = |why: &str| format!("--otlp {url}: {why}");
    let uri: Uri = url.parse().map_err(|_| wrong(&format!("is not a URL: {example}")))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(wrong(
                "gopiper does not send by TLS: use http:// and a collector on this machine, which \
                 can send on by TLS",
            ));
        }
        _ => return Err(wrong(&format!("does not begin with http://: {example}"))),
    }
    if uri.port_u16().is_none_or(|port| port == 0) {
        return Err(wrong(
            "has no port: it is 4317 for most receivers, as in http://127.0.0.1:4317",
        ));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong(
            "has a path: gopiper sends by gRPC, which has none; leave it out, and use the port for \
             gRPC, which is 4317 for most receivers",
        ));
    }
    Ok(Endpoint::from(uri).connect_timeout(CONNECTING))
}

/// Headers, as in `name=value,name=value`.
fn headers(text: &str) -> Result<MetadataMap, String> {
    let mut headers = MetadataMap::new();
    for (name, value) in pairs(text, HEADERS)? {
        let name = name.to_ascii_lowercase();
        if is_secret(&name, &value) {
            secrets::keep(&value);
            // A word before the token, as in `Bearer TOKEN`, is not secret.
            value.split_once(' ').iter().for_each(|(_, token)| secrets::keep(token));
        }
        let key = MetadataKey::from_bytes(name.as_bytes());
        let key = key.map_err(|_| {
            format!("{HEADERS}: '{name}' is not the name of a header: letters, digits and '-' are")
        })?;
        let value = AsciiMetadataValue::try_from(value).map_err(|_| {
            format!("{HEADERS}: the value of {name} contains characters that are not visible ASCII")
        })?;
        headers.insert(key, value);
    }
    Ok(headers)
}

/// Whether the value of a header may be a token. A short value of another header, such as
/// `x-tenant`, may be a common word, which must not be hidden in the log.
fn is_secret(name: &str, value: &str) -> bool {
    let words = ["auth", "cookie", "key", "password", "secret", "token"];
    value.len() >= 16 || words.iter().any(|word| name.contains(word))
}

/// Names and values, as in `name=value,name=value`. A comma, an `=` and characters other than
/// visible ASCII are written as in URLs.
fn pairs(text: &str, variable: &str) -> Result<Vec<(String, String)>, String> {
    let parts = text.split(',').map(str::trim).enumerate().filter(|(_, part)| !part.is_empty());
    let pair = |(place, part): (usize, &str)| {
        let number = place + 1;
        // The part is not shown: it may be a token.
        let wrong = |why: &str| {
            format!(
                "{variable}: part {number} {why}: write name=value,name=value, with %2C for a \
                     comma in a value"
            )
        };
        let (name, value) = part.split_once('=').ok_or_else(|| wrong("has no '='"))?;
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().map(String::from);
        match (decoded(name), decoded(value)) {
            (Ok(name), Ok(value)) if !name.is_empty() => Ok((name, value)),
            (Ok(_), Ok(_)) => Err(wrong("has no name")),
            _ => Err(wrong("is not UTF-8")),
        }
    };
    parts.map(pair).collect()
}

/// The attributes of this process. Attributes that the operator gives override gopiper's own.
fn resource(service: Option<String>, given: &[(String, String)]) -> Resource {
    let machine = uname().nodename().to_string_lossy().into_owned();
    let known = [
        ("service.name", "gopiper".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", unique()),
        ("host.name", machine),
    ];
    let service = service.map(|name| ("service.name", name));
    let given = given.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let mut all: Vec<(&str, String)> = Vec::new();
    for (name, value) in known.into_iter().chain(given).chain(service) {
        match all.iter_mut().find(|(other, _)| *other == name) {
            Some(other) => other.1 = value,
            None => all.push((name, value)),
        }
    }
    let mut attributes: Vec<_> = all.iter().map(|(name, value)| text(name, value)).collect();
    if !all.iter().any(|(name, _)| *name == "process.pid") {
        attributes.push(attribute("process.pid", Value::IntValue(process::id().into())));
    }
    Resource { attributes, ..Resource::default() }
}

/// A text that no other process has.
fn unique() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_or_else(|_| format!("{:032x}", fastrand::u128(..)), |uuid| uuid.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, variables: &[(&str, &str)]) -> Result<OtlpSettings, String> {
        OtlpSettings::new(url, |name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).into())
        })
    }

    fn refused(url: &str, variables: &[(&str, &str)]) -> String {
        settings(url, variables).err().expect("it is refused")
    }

    const URL: &str = "http://127.0.0.1:4317";

    #[test]
    fn a_url_that_cannot_be_used_is_refused_with_what_to_do() {
        for url in [URL, "http://collector.example:4317/", "http://[::1]:4317"] {
            assert!(settings(url, &[]).is_ok(), "{url}");
        }
        for (url, why) in [
            ("127.0.0.1:4317", "http://127.0.0.1:4317"),
            ("collector", "does not begin with http://"),
            ("", "is not a URL"),
            ("http://", "is not a URL"),
            ("http://a b:1", "is not a URL"),
            ("grpc://a:4317", "does not begin with http://"),
            ("https://a:4317", "does not send by TLS: use http://"),
            ("unix:///run/otlp.sock", "is not a URL: use one like http://"),
            ("http://collector", "has no port: it is 4317"),
            ("http://127.0.0.1:4318/v1/metrics", "has a path: gopiper sends by gRPC"),
        ] {
            let said = refused(url, &[]);
            assert!(said.starts_with(&format!("--otlp {url}: ")) && said.contains(why), "{said}");
        }
        let said = refused("http://me:the-password@a:4317", &[]);
        assert!(said.contains(HEADERS) && !said.contains("the-password"), "{said}");
    }

    #[test]
    fn headers_are_decoded_and_secret() {
        let given = "Authorization=Bearer%20a-token%2Cof-some-length, x-tenant=7,";
        let settings = settings(URL, &[(HEADERS, given)]).expect("settings");
        let header = |name: &str| settings.headers.get(name).and_then(|it| it.to_str().ok());
        assert_eq!(header("authorization"), Some("Bearer a-token,of-some-length"));
        assert_eq!(header("x-tenant"), Some("7"));
        assert_eq!(secrets::redact("it was a-token,of-some-length"), "it was (secret)");
        assert!(is_secret("x-api-key", "short") && !is_secret("x-tenant", "main"));
        for (given, why) in [
            ("x-tenant=7,the-token", "part 2 has no '='"),
            ("=the-token", "part 1 has no name"),
            ("a b=the-token", "'a b' is not the name of a header"),
            ("a=the-token%0A", "the value of a contains characters"),
            ("a=the-token%FF", "part 1 is not UTF-8"),
        ] {
            let said = refused(URL, &[(HEADERS, given)]);
            assert!(said.starts_with(HEADERS) && said.contains(why), "{said}");
            assert!(!said.contains("the-token"), "{said}");
        }
    }

    #[test]
    fn the_resource_says_which_process_it_is() {
        let of = |variables: &[_]| settings(URL, variables).expect("settings").resource;
        let value = |resource: &Resource, name: &str| {
            let all = resource.attributes.iter().filter(|it| it.key == name);
            let values: Vec<_> = all.map(|it| it.value.clone()?.value).collect();
            assert_eq!(values.len(), 1, "{name}");
            values[0].clone()
        };
        let is = |text: &str| Some(Value::StringValue(text.into()));
        let plain = of(&[]);
        assert_eq!(value(&plain, "service.name"), is("gopiper"));
        assert_eq!(value(&plain, "process.pid"), Some(Value::IntValue(process::id().into())));
        assert!(value(&plain, "service.instance.id") != value(&of(&[]), "service.instance.id"));
        let given = (ATTRIBUTES, "service.name=other,host.name=here,team=a%20b");
        let named = of(&[given, (SERVICE, "lines")]);
        assert_eq!(value(&named, "service.name"), is("lines"));
        assert_eq!(value(&named, "host.name"), is("here"));
        assert_eq!(value(&named, "team"), is("a b"));
        assert_eq!(value(&of(&[given, (SERVICE, "")]), "service.name"), is("other"));
    }

    #[test]
    fn the_interval_is_in_milliseconds() {
        let every = |text| settings(URL, &[(INTERVAL, text)]).map(|it| it.interval);
        assert_eq!(every("250"), Ok(Duration::from_millis(250)));
        assert_eq!(every(""), Ok(METRICS_EVERY));
        for text in ["0", "10s", "-1"] {
            assert!(every(text).is_err_and(|said| said.contains("milliseconds")), "{text}");
        }
    }
}
