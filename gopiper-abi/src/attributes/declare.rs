//! Declares attributes.
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Declares a component's attributes: a struct with doc comments on its fields. A field is required
/// unless it has a default (`= value`, or `#[serde(default)]` for that of its type) or is an
/// `Option`. An unknown attribute is refused.
///
/// Declare structs and enums for its fields in the same way. A struct implements `Debug`, `Clone`,
/// serde's `Deserialize` and schemars' `JsonSchema`. An enum also implements `PartialEq` and `Eq`,
/// and its variants are texts in snake_case. You may derive more, and use further attributes of
/// serde and schemars on fields. (A derived `Default` does not know the values after `=`, and
/// `#[serde(default)]` belongs on fields, not on the struct.) A type with a default needs serde's
/// `Serialize`: the schema shows the default, unless the field is renamed.
///
/// ```
/// gopiper_abi::attributes! {
///     /// Keeps the lines that contain a word.
///     pub struct Attributes {
///         /// The word to look for.
///         pub word: String,
///         /// Keep the lines without it instead.
///         #[serde(default)]
///         pub invert: bool,
///         /// What counts as a letter.
///         pub letters: Letters = Letters::Ascii,
///         /// How long it may take, in milliseconds.
///         pub timeout_ms: u64 = 1000,
///         /// Where to look; everywhere if it is not given.
///         pub within: Option<Within>,
///     }
/// }
///
/// gopiper_abi::attributes! {
///     /// What counts as a letter.
///     #[derive(Copy)]
///     pub enum Letters {
///         /// A to Z: `'ascii'`.
///         Ascii,
///         /// What Unicode says: `'all_of_unicode'`.
///         AllOfUnicode,
///     }
/// }
///
/// gopiper_abi::attributes! {
///     /// A part of a line, in bytes.
///     pub struct Within {
///         /// Where it begins.
///         #[serde(default)]
///         pub from: usize,
///         /// Where it ends.
///         pub to: usize,
///     }
/// }
/// ```
#[macro_export]
macro_rules! attributes {
    ($(#[$outer:meta])* $vis:vis enum $name:ident { $($body:tt)* }) => {
        // Serialize for the schema: it says what the default is.
        #[derive(
            Debug, Clone, PartialEq, Eq, $crate::serde::Deserialize, $crate::serde::Serialize,
            $crate::schemars::JsonSchema,
        )]
        #[serde(crate = "gopiper_abi::serde", rename_all = "snake_case")]
        #[schemars(crate = "gopiper_abi::schemars")]
        $(#[$outer])*
        $vis enum $name { $($body)* }

        impl $crate::DeclaredAttributes for $name {}
    };
    // A struct. Serde and schemars see another one, in which a field with a default may be missing:
    // neither takes an expression for a default. Each step takes an attribute of the struct, or a
    // field.
    // Eight lines at a time: the compiler limits how often a macro may call itself.
    (@struct [$($of_given:tt)*] [$($of_struct:tt)*]
        #[doc = $a:literal] #[doc = $b:literal] #[doc = $c:literal] #[doc = $d:literal] #[doc = $e:literal] #[doc = $f:literal] #[doc = $g:literal] #[doc = $h:literal]
        $($rest:tt)*
    ) => {
        $crate::attributes! {
            @struct
            [$($of_given)* #[doc = $a] #[doc = $b] #[doc = $c] #[doc = $d] #[doc = $e] #[doc = $f] #[doc = $g] #[doc = $h]]
            [$($of_struct)* #[doc = $a] #[doc = $b] #[doc = $c] #[doc = $d] #[doc = $e] #[doc = $f] #[doc = $g] #[doc = $h]]
            $($rest)*
        }
    };
    (@struct [$($of_given:tt)*] [$($of_struct:tt)*] #[doc $($doc:tt)*] $($rest:tt)*) => {
        $crate::attributes! {
            @struct [$($of_given)* #[doc $($doc)*]] [$($of_struct)* #[doc $($doc)*]] $($rest)*
        }
    };
    (@struct [$($of_given:tt)*] [$($of_struct:tt)*] #[derive $($traits:tt)*] $($rest:tt)*) => {
        $crate::attributes! {
            @struct [$($of_given)*] [$($of_struct)* #[derive $($traits)*]] $($rest)*
        }
    };
    (@struct [$($of_given:tt)*] $of_struct:tt #[serde $($how:tt)*] $($rest:tt)*) => {
        $crate::attributes! { @struct [$($of_given)* #[serde $($how)*]] $of_struct $($rest)* }
    };
    (@struct [$($of_given:tt)*] $of_struct:tt #[schemars $($how:tt)*] $($rest:tt)*) => {
        $crate::attributes! { @struct [$($of_given)* #[schemars $($how)*]] $of_struct $($rest)* }
    };
    (@struct $of_given:tt [$($of_struct:tt)*] #[$($other:tt)*] $($rest:tt)*) => {
        $crate::attributes! { @struct $of_given [$($of_struct)* #[$($other)*]] $($rest)* }
    };
    (@struct $of_given:tt $of_struct:tt $vis:vis struct $name:ident { $($body:tt)* }) => {
        $crate::attributes! { @fields [$of_given $of_struct $vis $name] [] [] [] [] $($body)* }
    };
    (@fields $head:tt [$($given:tt)*] [$($field:tt)*] $plain:tt [$($default:tt)*]
        $(#[$of_field:meta])* $vis:vis $name:ident : $type:ty = $is:expr $(, $($rest:tt)*)?
    ) => {
        $crate::attributes! {
            @fields $head
            [$($given)* $(#[$of_field])* #[serde(default)] $name: $crate::export::Defaulted<$type>,]
            [$($field)* $vis $name: $type,]
            $plain
            [$($default)* $name: $type = $is,]
            $($($rest)*)?
        }
    };
    (@fields $head:tt [$($given:tt)*] [$($field:tt)*] [$($plain:tt)*] $default:tt
        $(#[$of_field:meta])* $vis:vis $name:ident : $type:ty $(, $($rest:tt)*)?
    ) => {
        $crate::attributes! {
            @fields $head
            [$($given)* $(#[$of_field])* $name: $type,]
            [$($field)* $vis $name: $type,]
            [$($plain)* $name,]
            $default
            $($($rest)*)?
        }
    };
    (@fields [[$($of_given:tt)*] [$($of_struct:tt)*] $vis:vis $name:ident]
        [$($given:tt)*] [$($field:tt)*] [$($plain:ident,)*]
        [$($defaulted:ident: $type:ty = $default:expr,)*]
    ) => {
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // The schema has those of the fields.
        $($of_struct)*
        $vis struct $name { $($field)* }

        const _: () = {
            #[derive($crate::serde::Deserialize, $crate::schemars::JsonSchema)]
            #[serde(crate = "gopiper_abi::serde", deny_unknown_fields)]
            #[schemars(crate = "gopiper_abi::schemars")]
            $($of_given)*
            struct __Given { $($given)* }

            impl<'de> $crate::serde::Deserialize<'de> for $name {
                fn deserialize<__D: $crate::serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::std::result::Result<Self, __D::Error> {
                    let given: __Given = $crate::serde::Deserialize::deserialize(deserializer)?;
                    ::std::result::Result::Ok($name {
                        $($plain: given.$plain,)*
                        $($defaulted: given.$defaulted.0.unwrap_or_else(|| $default),)*
                    })
                }
            }

            impl $crate::schemars::JsonSchema for $name {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn schema_id() -> ::std::borrow::Cow<'static, str> {
                    concat!(module_path!(), "::", stringify!($name)).into()
                }

                fn json_schema(
                    generator: &mut $crate::schemars::SchemaGenerator,
                ) -> $crate::schemars::Schema {
                    #[allow(unused_mut)]
                    let mut schema = <__Given as $crate::schemars::JsonSchema>::json_schema(generator);
                    $({
                        let default: $type = $default;
                        $crate::export::set_default(&mut schema, stringify!($defaulted), &default);
                    })*
                    schema
                }
            }

            impl $crate::DeclaredAttributes for $name {}
        };
    };
    ($(#[$($outer:tt)*])* $vis:vis struct $($rest:tt)*) => {
        $crate::attributes! { @struct [] [] $(#[$($outer)*])* $vis struct $($rest)* }
    };
}

/// A field of a struct that [`attributes!`](crate::attributes) declares with a default: nothing if
/// it was not given.
#[doc(hidden)]
#[derive(Debug)]
pub struct Defaulted<T>(pub Option<T>);

impl<T> Default for Defaulted<T> {
    fn default() -> Self {
        Defaulted(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Defaulted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Defaulted(Some(value)))
    }
}

/// As its type: that it may be missing is not a part of that.
impl<T: JsonSchema> JsonSchema for Defaulted<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Puts the default of a field into the schema of its struct.
#[doc(hidden)]
pub fn set_default(schema: &mut Schema, field: &str, default: &impl Serialize) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let field = field.strip_prefix("r#").unwrap_or(field);
    let property = properties.and_then(|all| all.get_mut(field)).and_then(Value::as_object_mut);
    if let (Some(property), Ok(default)) = (property, serde_json::to_value(default)) {
        property.insert("default".into(), default);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{DeclaredAttributes, attributes::read, raw::Map};

    crate::attributes! {
        /// A door.
        #[derive(PartialEq)]
        pub(super) struct Door {
            /// How wide it is.
            #[schemars(range(min = 1))]
            pub width: u32 = 8 << 4,
            pub name: String,
            /// Its colour.
            pub colour: Colour = Colour::DarkRed,
            #[serde(default)]
            pub open: bool,
            pub handle: Option<Handle>
        }
    }

    crate::attributes! {
        pub(super) enum Colour {
            DarkRed,
            White,
        }
    }

    crate::attributes! {
        #[derive(PartialEq)]
        pub(super) struct Handle {
            pub r#type: String = "knob".into(),
        }
    }

    #[test]
    fn a_default_in_place_is_used_and_shown() {
        let door: Door = read(&Map::from_iter([("name", "front")])).unwrap();
        let expected = Door {
            width: 128,
            name: "front".into(),
            colour: Colour::DarkRed,
            open: false,
            handle: None,
        };
        assert_eq!(door, expected);
        let given = Map::from_iter([
            ("name", "back".into()),
            ("width", 2i64.into()),
            ("handle", Map::default().into()),
            ("colour", "white".into()),
        ] as [(&str, crate::Value); 4]);
        let Door { width, colour, handle, .. } = read(&given).unwrap();
        assert_eq!((width, colour), (2, Colour::White));
        assert_eq!(handle, Some(Handle { r#type: "knob".into() }));

        let schema = schemars::schema_for!(Door).to_value();
        assert_eq!(schema["description"], "A door.");
        assert_eq!(schema["required"], json!(["name"]));
        let width = json!({
            "type": "integer", "format": "uint32", "minimum": 1, "default": 128,
            "description": "How wide it is.",
        });
        assert_eq!(schema["properties"]["width"], width);
        assert_eq!(schema["properties"]["colour"]["default"], "dark_red");
        assert_eq!(schema["$defs"]["Handle"]["properties"]["type"]["default"], "knob");
    }

    /// An author may have names of their own.
    mod names {
        #[allow(dead_code)]
        type Result<T> = std::result::Result<T, ()>;
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub(super) struct D;

        crate::attributes! {
            /// One.
            /// Two.
            /// Three.
            /// Four.
            /// Five.
            /// Six.
            /// Seven.
            /// Eight.
            /// Nine.
            #[serde(rename_all = "camelCase")]
            #[allow(dead_code)]
            pub(super) struct Given {
                pub(super) d: Option<D>,
                pub(super) two_words: u8 = 3,
            }
        }
    }

    #[test]
    fn names_of_the_authors_do_not_clash_and_other_attributes_stay() {
        let given: names::Given = read(&Map::from_iter([("twoWords", 5i64)])).unwrap();
        assert_eq!((given.two_words, given.d.is_none()), (5, true));
        let schema = schemars::schema_for!(names::Given).to_value();
        let description = "One.\nTwo.\nThree.\nFour.\nFive.\nSix.\nSeven.\nEight.\nNine.";
        assert_eq!(schema["description"], description);
    }

    #[test]
    fn errors_are_named_as_usual() {
        let refused = |given: Map| read::<Door>(&given).unwrap_err().remove(0).to_string();
        let said = refused(Map::from_iter([("name", "a"), ("width", "b")]));
        assert!(said.contains("width: must be a whole number from 0 to"), "{said}");
        assert!(refused(Map::default()).contains("name: is required"));
        let said = refused(Map::from_iter([("name", "a"), ("widht", "b")]));
        assert!(said.contains("did you mean 'width'?"), "{said}");
        fn declared<A: DeclaredAttributes>() {}
        declared::<Handle>();
    }
}
