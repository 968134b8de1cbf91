//! The author's table, read once: what C declares, as serde and schemars want it.
//!
//! So attributes are checked as in every other component, with the same error texts.
use std::{
    borrow::Cow,
    ffi::{CStr, c_char},
    fmt,
    os::unix::ffi::OsStringExt,
    sync::OnceLock,
};

use gopiper_abi::{
    DeclaredAttributes, FilePath, Kind,
    schemars::{JsonSchema, Schema, SchemaGenerator},
    serde::{
        Deserialize, Deserializer,
        de::{Error as _, IgnoredAny, MapAccess, Visitor},
    },
};
use serde_json::{Map as JsonMap, Value as Json, json};

use crate::{
    attributes::{Given, gopiper_attribute, gopiper_attributes},
    component::{gopiper_component, gopiper_exported},
    text,
    value::{
        GOPIPER_BOOLEAN, GOPIPER_DOUBLE, GOPIPER_INT64, GOPIPER_PATH, GOPIPER_TEXT, GOPIPER_UINT64,
        gopiper_content, gopiper_value,
    },
};

unsafe extern "C" {
    /// Defined by GOPIPER_COMPONENT in the author's file.
    // Older compilers follow its pointers, to types that are opaque to C.
    #[allow(improper_ctypes)]
    static gopiper_exported_component_: gopiper_exported;
}

/// The description in the author's file, in Rust's terms.
pub(crate) struct Description {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: Kind,
    pub(crate) component: &'static gopiper_component,
    documentation: &'static str,
    attributes: Vec<DeclaredAttribute>,
    /// Their names, as serde wants them.
    names: Vec<&'static str>,
}

struct DeclaredAttribute {
    name: &'static str,
    kind: u32,
    required: bool,
    default: Option<Json>,
    documentation: &'static str,
}

impl Description {
    /// The component of this library.
    ///
    /// # Panics
    /// When the table cannot be meant so: the author sees it when the file is first loaded.
    pub(crate) fn get() -> &'static Self {
        static DESCRIPTION: OnceLock<Description> = OnceLock::new();
        // SAFETY: GOPIPER_COMPONENT defines the symbol, with pointers to constants, and the header
        // says how the table of attributes ends.
        DESCRIPTION.get_or_init(|| unsafe { Self::read(&gopiper_exported_component_) })
    }

    /// # Safety
    /// The pointers lead to constants; the table of attributes ends with a row without a name.
    unsafe fn read(exported: &'static gopiper_exported) -> Self {
        // SAFETY: the pointers lead to constants (`# Safety`). The rows are read up to the one
        // without a name, which ends the table.
        unsafe {
            let component = &*exported.component;
            let mut attributes = Vec::new();
            let mut row = component.attributes;
            while !row.is_null() && !(*row).name.is_null() {
                let attribute = DeclaredAttribute::read(&*row);
                let is_new =
                    attributes.iter().all(|one: &DeclaredAttribute| one.name != attribute.name);
                assert!(is_new, "attribute {}: the table has it twice", attribute.name);
                attributes.push(attribute);
                row = row.add(1);
            }
            let name = constant(exported.name);
            text::speaks_for(name);
            Description {
                name,
                version: constant(exported.version),
                kind: Kind(exported.kind),
                component,
                documentation: constant(component.documentation),
                names: attributes.iter().map(|attribute| attribute.name).collect(),
                attributes,
            }
        }
    }
}

impl DeclaredAttribute {
    /// # Safety
    /// The pointers are NULL, or lead to constants.
    unsafe fn read(row: &'static gopiper_attribute) -> Self {
        // SAFETY: both pointers are NULL or lead to constants (`# Safety`).
        let (name, documentation) = unsafe { (constant(row.name), constant(row.documentation)) };
        let kind = row.kind;
        let kinds = [
            GOPIPER_BOOLEAN,
            GOPIPER_INT64,
            GOPIPER_UINT64,
            GOPIPER_DOUBLE,
            GOPIPER_TEXT,
            GOPIPER_PATH,
        ];
        assert!(kinds.contains(&kind), "attribute {name}: an attribute cannot be of kind {kind}");
        let default = (!row.default_value.is_null()).then(|| {
            // SAFETY: the default is not NULL, so it is a constant (`# Safety`).
            let text = unsafe { constant(row.default_value) };
            // A parser of JSON would be as large as what this library does with messages.
            let whole = || text.parse::<i64>().map(Json::from);
            let default = match kind {
                GOPIPER_BOOLEAN => text.parse::<bool>().map(Json::from).ok(),
                GOPIPER_INT64 => whole().ok(),
                GOPIPER_UINT64 => text.parse::<u64>().map(Json::from).ok(),
                GOPIPER_DOUBLE => whole().ok().or_else(|| decimal(text)),
                _ => Some(Json::from(text)),
            };
            default.unwrap_or_else(|| {
                panic!(
                    "attribute {name}: its default '{text}' is not of the attribute's kind (a \
                     double has at most 15 digits, and a power of ten from -22 to 22)"
                )
            })
        });
        DeclaredAttribute { name, kind, required: row.required, default, documentation }
    }

    fn schema(&self) -> Json {
        let (kind, format) = match self.kind {
            GOPIPER_BOOLEAN => ("boolean", None),
            GOPIPER_INT64 => ("integer", Some("int64")),
            GOPIPER_UINT64 => ("integer", Some("uint64")),
            GOPIPER_DOUBLE => ("number", Some("double")),
            GOPIPER_PATH => ("string", Some("path")),
            _ => ("string", None),
        };
        let mut schema = json!({ "description": self.documentation, "type": kind });
        if let Some(format) = format {
            schema["format"] = format.into();
        }
        if self.kind == GOPIPER_UINT64 {
            schema["minimum"] = 0.into();
        }
        match &self.default {
            Some(default) => schema["default"] = default.clone(),
            None if !self.required => schema["type"] = json!([kind, "null"]),
            None => {}
        }
        schema
    }

    fn default(&self) -> Given {
        self.default.as_ref().map_or(Given::Nothing, |default| {
            self.read_from(default).unwrap_or_else(|_| unreachable!("it was seen to fit"))
        })
    }

    /// Reads a value of this kind.
    fn read_from<'de, D: Deserializer<'de>>(&self, from: D) -> Result<Given, D::Error> {
        let plain = |content| Given::Plain(gopiper_value { kind: self.kind, content });
        Ok(match self.kind {
            GOPIPER_BOOLEAN => plain(gopiper_content { boolean: bool::deserialize(from)? }),
            GOPIPER_INT64 => plain(gopiper_content { int64: i64::deserialize(from)? }),
            GOPIPER_UINT64 => plain(gopiper_content { uint64: u64::deserialize(from)? }),
            GOPIPER_DOUBLE => plain(gopiper_content { number: f64::deserialize(from)? }),
            GOPIPER_PATH => {
                Given::text(FilePath::deserialize(from)?.resolved().into_os_string().into_vec())
            }
            _ => Given::text(String::deserialize(from)?),
        })
    }
}

/// A number with a decimal point or an exponent. One division of what a double can hold exactly
/// gives the nearest double; more digits would need the standard library's tables.
fn decimal(text: &str) -> Option<Json> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) {
        return None;
    }
    let digits: u64 = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent.parse::<i32>().ok()?.checked_sub(fraction.len() as i32)?;
    if digits >= 1 << f64::MANTISSA_DIGITS || shift.unsigned_abs() > EXACT_POWER {
        return None;
    }
    let power = 10f64.powi(shift.unsigned_abs() as i32);
    let number = if shift < 0 { digits as f64 / power } else { digits as f64 * power };
    Some((sign * number).into())
}

/// The greatest power of ten that a double holds exactly.
const EXACT_POWER: u32 = 22;

/// A text of the author's file; empty for NULL.
///
/// # Safety
/// `text` is NULL, or leads to a constant.
unsafe fn constant(text: *const c_char) -> &'static str {
    if text.is_null() {
        return "";
    }
    // SAFETY: `text` is not NULL, so it is a constant that ends with a NUL (`# Safety`).
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().unwrap_or_else(|_| panic!("{text:?} in the component's table is not UTF-8"))
}

/// A value for one attribute of the table, or nothing where nothing must be given.
struct Row(&'static DeclaredAttribute);

impl<'de> gopiper_abi::serde::de::DeserializeSeed<'de> for Row {
    type Value = Given;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Given, D::Error> {
        self.0.read_from(from)
    }
}

impl<'de> Deserialize<'de> for gopiper_attributes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(AttributeTable(Description::get()))
    }
}

struct AttributeTable(&'static Description);

impl<'de> Visitor<'de> for AttributeTable {
    type Value = gopiper_attributes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<gopiper_attributes, A::Error> {
        let Description { attributes, names, .. } = self.0;
        let mut given = vec![None; attributes.len()];
        while let Some(key) = map.next_key::<String>()? {
            let Some(place) = names.iter().position(|name| *name == key) else {
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::unknown_field(&key, names));
            };
            given[place] = Some(map.next_value_seed(Row(&attributes[place]))?);
        }
        let value = |(attribute, given): (&DeclaredAttribute, Option<Given>)| match given {
            Some(given) => Ok((attribute.name, given)),
            None if attribute.required => Err(A::Error::missing_field(attribute.name)),
            None => Ok((attribute.name, attribute.default())),
        };
        let values = attributes.iter().zip(given).map(value);
        Ok(gopiper_attributes { values: values.collect::<Result<_, _>>()? })
    }
}

impl JsonSchema for gopiper_attributes {
    fn schema_name() -> Cow<'static, str> {
        "Attributes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Self::schema()
    }
}

impl DeclaredAttributes for gopiper_attributes {
    fn schema() -> Schema {
        let Description { documentation, attributes, .. } = Description::get();
        let mut properties = JsonMap::new();
        for attribute in attributes {
            properties.insert(attribute.name.to_owned(), attribute.schema());
        }
        let required = attributes.iter().filter(|one| one.required).map(|one| one.name);
        let schema = json!({
            "description": documentation,
            "type": "object",
            "properties": properties,
            "required": required.collect::<Vec<_>>(),
            "additionalProperties": false,
        });
        schema.try_into().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_with_a_decimal_point_is_the_nearest_double() {
        for text in ["0.1", "2.5", "-0.25", "1e6", "1.5e-3", "6.02E20", "123456789012.345", ".5"] {
            assert_eq!(decimal(text), text.parse::<f64>().ok().map(Json::from), "{text}");
        }
        for text in [
            "",
            "-",
            "1.2.3",
            "one",
            "1e400",
            "1e-30",
            "1e-2147483648",
            "1e",
            "0.30000000000000004",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
