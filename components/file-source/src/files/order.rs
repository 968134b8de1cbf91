//! Finds the files of one log: rotated files have similar names.
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    path::Path,
    sync::LazyLock,
};

use regex_lite::Regex;

/// A number that files of one log share: they lie in one folder, and their names differ in a number
/// or a time at the end, in a date, or in how they are compressed.
pub(crate) fn log_of(path: &Path) -> u64 {
    static SUFFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?:[.\-_](?:\d[\d.:_TZ+\-]*|old|bak|gz))+$|[.\-_]?\d{4}-?\d\d-?\d\d(?:[T_\-]?\d[\d:\-]*)?").ok()
    });
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = match &*SUFFIX {
        Some(suffix) => suffix.replace_all(&name, ""),
        None => name,
    };
    let mut hasher = DefaultHasher::new();
    (path.parent(), name).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_one(a: &str, b: &str) -> bool {
        log_of(Path::new(a)) == log_of(Path::new(b))
    }

    #[test]
    fn rotated_files_are_one_log() {
        for rotated in [
            "d/a.log.1",
            "d/a.log.12.gz",
            "d/a.log-20260101",
            "d/a.log.20260101-123456",
            "d/a.log-2026-01-01T10:00:00Z.gz",
            "d/a.log.old",
            "d/a.log",
        ] {
            assert!(are_one("d/a.log", rotated), "{rotated}");
        }
        assert!(are_one("d/app-2026-01-01.log", "d/app-2026-01-02.log"));
        assert!(are_one("d/app.20260101.log", "d/app.20260102.log"));
        for other in ["d/b.log", "e/a.log", "d/a.logs", "d/a1.log", "d/a.log.json"] {
            assert!(!are_one("d/a.log", other), "{other}");
        }
        assert!(!are_one("d/worker-1.log", "d/worker-2.log"));
    }
}
