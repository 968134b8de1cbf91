//! Versions of glibc: the newest that a file needs, and that of this system.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::fmt;
use std::str::FromStr;

/// A version of glibc, such as 2.36 or 2.2.5: the fields are its numbers.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlibcVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

/// The need of a file that was linked with `-z pack-relative-relocs`; it has no version number.
const DT_RELR: (&[u8], GlibcVersion) =
    (b"GLIBC_ABI_DT_RELR", GlibcVersion { major: 2, minor: 36, patch: 0 });

impl GlibcVersion {
    /// The version named by a symbol version of an ELF file, such as `GLIBC_2.34`, or the first
    /// that has the feature which it names.
    ///
    /// `None` for all others: `GCC_3.0`, `GLIBC_PRIVATE`.
    pub(crate) fn from_symbol_version(name: &[u8]) -> Option<Self> {
        if name == DT_RELR.0 {
            return Some(DT_RELR.1);
        }
        let version = name.strip_prefix(b"GLIBC_")?;
        std::str::from_utf8(version).ok()?.parse().ok()
    }

    /// The version of the glibc in this process.
    pub fn running() -> Option<Self> {
        unsafe extern "C" {
            safe fn gnu_get_libc_version() -> *const c_char;
        }
        // SAFETY: glibc returns a constant of its own that ends with NUL.
        let version = unsafe { CStr::from_ptr(gnu_get_libc_version()) };
        version.to_str().ok()?.parse().ok()
    }
}

impl FromStr for GlibcVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split('.').map(|number| number.parse::<u32>().map_err(drop));
        let version = GlibcVersion {
            major: numbers.next().ok_or(())??,
            minor: numbers.next().ok_or(())??,
            patch: numbers.next().unwrap_or(Ok(0))?,
        };
        numbers.next().map_or(Ok(version), |_| Err(()))
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch != 0 { write!(f, ".{}", self.patch) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        let version = |name: &str| GlibcVersion::from_symbol_version(name.as_bytes());
        assert!(version("GLIBC_2.9") < version("GLIBC_2.34"));
        assert!(version("GLIBC_2.2.5") < version("GLIBC_2.3"));
        assert_eq!(version("GLIBC_2.2.5").unwrap().to_string(), "2.2.5");
        assert_eq!(version("GLIBC_2.34").unwrap().to_string(), "2.34");
        assert_eq!(version("GLIBC_ABI_DT_RELR"), version("GLIBC_2.36"));
        for other in ["GLIBC_PRIVATE", "GLIBC_", "GLIBC_2", "GLIBC_2.1.2.3", "GLIBC_2.x", "GCC_3.0"]
        {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn the_running_version_is_known() {
        assert!(GlibcVersion::running().unwrap() >= "2.17".parse().unwrap());
    }
}
