//! A path that an operator writes.
use std::{
    borrow::Cow,
    ffi::OsString,
    fmt,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// The `format` of such an attribute in its schema.
pub(crate) const FORMAT: &str = "path";

/// The type of an attribute that is a path: a relative one starts at the folder of the pipeline's
/// file, wherever gopiper is started. In a test harness, and in a program that embeds gopiper, it
/// starts at the working directory.
///
/// ```
/// use std::path::Path;
///
/// use gopiper_abi::{FilePath, attributes};
///
/// attributes! {
///     /// Looks words up.
///     pub struct Attributes {
///         /// The file with the words.
///         pub words: FilePath,
///     }
/// }
///
/// let path = FilePath::from("words.txt");
/// assert_eq!(path.resolved(), Path::new("words.txt"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePath {
    folder: PathBuf,
    written: String,
}

impl FilePath {
    /// A path as written in a file in this folder.
    pub fn new(folder: impl Into<PathBuf>, written: impl Into<String>) -> Self {
        FilePath { folder: folder.into(), written: written.into() }
    }

    /// The path.
    pub fn resolved(&self) -> PathBuf {
        self.folder.join(&self.written)
    }

    /// The operator's text, which may be more than a path: a pattern, or a template.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// The folder at which a relative path starts; empty for the working directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl From<&str> for FilePath {
    fn from(written: &str) -> Self {
        FilePath::new("", written)
    }
}

impl JsonSchema for FilePath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FilePath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": FORMAT })
    }
}

/// Writes the default into the schema.
impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PathVisitor)
    }
}

struct PathVisitor;

impl<'de> Visitor<'de> for PathVisitor {
    type Value = FilePath;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, written: &str) -> Result<FilePath, E> {
        Ok(FilePath::from(written))
    }

    /// From a host that knows the pipeline's file.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FilePath, A::Error> {
        #[derive(Deserialize)]
        struct Placed {
            folder: Folder,
            path: String,
        }

        let Placed { folder, path } = Placed::deserialize(MapAccessDeserializer::new(map))?;
        Ok(FilePath::new(folder.0, path))
    }
}

/// A folder that a host gives: a text, or the bytes of a name that is not text. (As an untagged
/// enum it would be several KB of code more in each component.)
struct Folder(OsString);

impl<'de> Deserialize<'de> for Folder {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(FolderVisitor)
    }
}

struct FolderVisitor;

impl<'de> Visitor<'de> for FolderVisitor {
    type Value = Folder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<Folder, E> {
        Ok(Folder(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Folder, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(Folder(OsString::from_vec(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::{DeclaredAttributes, read};
    use crate::raw::{Map, Payload, Value};

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Attributes {
        path: FilePath,
    }

    impl DeclaredAttributes for Attributes {}

    fn path(value: Value) -> Result<FilePath, String> {
        let read = read::<Attributes>(&[("path", value)].into_iter().collect());
        read.map(|attributes| attributes.path).map_err(|errors| errors[0].to_string())
    }

    #[test]
    fn a_relative_path_starts_at_its_folder_and_an_absolute_one_is_itself() {
        let placed = |folder: Value, path: &str| {
            let parts = [("folder", folder), ("path", path.into())];
            Value::from(parts.into_iter().collect::<Map>())
        };
        let folder = Payload::from(b"/of \xff".to_vec());
        let of_bytes = PathBuf::from(OsString::from_vec(b"/of \xff/a".to_vec()));
        assert_eq!(path("a/b".into()).unwrap().resolved(), Path::new("a/b"));
        assert_eq!(path(placed("/of".into(), "a")).unwrap().resolved(), Path::new("/of/a"));
        assert_eq!(path(placed("/of".into(), "/b")).unwrap().resolved(), Path::new("/b"));
        assert_eq!(path(placed(folder.into(), "a")).unwrap().resolved(), of_bytes);
        assert_eq!(path(placed("".into(), "a*")).unwrap().as_written(), "a*");
    }

    #[test]
    fn a_number_is_not_a_path() {
        let error = path(7.into()).unwrap_err();
        assert!(error.contains("attribute path: ") && error.contains("a string"), "{error}");
    }
}
