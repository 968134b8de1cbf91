//! What librdkafka says of a client: lines of the log, and errors.
use std::sync::{Mutex, PoisonError};

use gopiper_abi::Host;
use log::Level;
use rdkafka::{
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};

/// Hears what librdkafka says, from any thread.
pub struct Watcher {
    host: Host,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    /// The last line: the same is not said twice.
    line: String,
    /// The last error that waiting does not mend.
    denied: Option<(RDKafkaErrorCode, String)>,
    /// The last other error.
    trouble: Option<String>,
}

impl Watcher {
    pub fn new(host: Host) -> Self {
        Watcher { host, said: Mutex::default() }
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Writes a line, unless it is the same as the one before.
    pub fn say(&self, level: Level, line: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.line == line {
            return;
        }
        line.clone_into(&mut said.line);
        drop(said);
        self.host.scope(|| log::log!(level, "{line}"));
    }

    /// For `ClientContext::log`.
    pub fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if facility == "FAIL" {
            let reason = without_thread(line).to_owned();
            self.said.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(reason);
        }
        self.say(level_of(level), &format!("librdkafka: {facility}: {line}"));
    }

    /// For `ClientContext::error`.
    pub fn error(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let is_denied = is_denied(code);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if is_denied {
            said.denied = Some((code, reason.to_owned()));
        } else if code != RDKafkaErrorCode::AllBrokersDown || said.trouble.is_none() {
            // That all are down says less than why the last one is.
            said.trouble = Some(reason.to_owned());
        }
        drop(said);
        let level =
            if is_denied || code == RDKafkaErrorCode::Fatal { Level::Error } else { Level::Warn };
        self.say(level, reason);
    }

    /// The error that another attempt does not mend, if there was one.
    pub fn denied(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).denied.clone()
    }

    /// The last other error.
    pub fn trouble(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }
}

/// A line begins with the thread that it is from: `[thrd:NAME]: `.
fn without_thread(line: &str) -> &str {
    match line.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")) {
        Some((_, text)) => text,
        None => line,
    }
}

fn level_of(level: RDKafkaLogLevel) -> Level {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => Level::Error,
        RDKafkaLogLevel::Warning => Level::Warn,
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => Level::Info,
        RDKafkaLogLevel::Debug => Level::Debug,
    }
}

/// Whether the brokers refuse who connects, or its certificates.
fn is_denied(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::UnsupportedSASLMechanism
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_librdkafka() {
        assert_eq!(level_of(RDKafkaLogLevel::Emerg), Level::Error);
        assert_eq!(level_of(RDKafkaLogLevel::Warning), Level::Warn);
        assert_eq!(level_of(RDKafkaLogLevel::Notice), Level::Info);
        assert_eq!(level_of(RDKafkaLogLevel::Debug), Level::Debug);
    }

    #[test]
    fn the_reason_goes_without_the_thread() {
        let line = "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connection refused";
        assert_eq!(without_thread(line), "127.0.0.1:1/bootstrap: Connection refused");
        assert_eq!(without_thread("other"), "other");
    }

    #[test]
    fn waiting_mends_no_wrong_password() {
        assert!(is_denied(RDKafkaErrorCode::Authentication));
        assert!(!is_denied(RDKafkaErrorCode::AllBrokersDown));
        assert!(!is_denied(RDKafkaErrorCode::Resolve));
    }
}
