//! Gate 3: `abi_stable` compares the layout of every type that is reachable from the root module.

use std::cmp::Ordering;
use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstability as A, AbiInstabilityError, AbiInstabilityErrors,
    CheckingGlobals, ExpectedFound, check_layout_compatibility_with_globals,
};
use abi_stable::type_layout::{TLField, TLFieldOrFunction, TypeLayout};
use gopiper_abi::raw::INTERFACE_VERSION;

use super::refusal::{Gate, Refusal, shortened};

/// Compares the layout of a component with the host's, `order` being that of their versions.
///
/// Only one direction is right: the lower version is the interface, which the higher one implements
/// and may extend. In the other direction, each new field of a minor version would be refused.
pub(super) fn check(
    file: &Path,
    host: &'static TypeLayout,
    component: &'static TypeLayout,
    order: Ordering,
) -> Result<(), Refusal> {
    let host_is_interface = order != Ordering::Less;
    let (interface, implementation) =
        if host_is_interface { (host, component) } else { (component, host) };
    // Globals of our own: those of the process would make the result depend on earlier loads. The
    // fence is for a layout that the checker cannot cope with.
    let compared = catch_unwind(AssertUnwindSafe(|| {
        let globals = CheckingGlobals::new();
        check_layout_compatibility_with_globals(interface, implementation, &globals)
            .map_err(|errors| explain(&errors))
    }));
    let difference = match compared {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(difference)) => difference,
        Err(payload) => {
            // Its drop could panic again.
            std::mem::forget(payload);
            unknown_difference("one that the checker cannot handle")
        }
    };
    Err(difference.refusal(file, host_is_interface))
}

/// One place in which two layouts differ; `expected` is the interface's, `found` the other's.
struct Difference {
    place: String,
    what: &'static str,
    expected: String,
    found: String,
}

impl Difference {
    fn refusal(self, file: &Path, host_is_interface: bool) -> Refusal {
        let (host, component) = if host_is_interface {
            (self.expected, self.found)
        } else {
            (self.found, self.expected)
        };
        let (host, component) = (shortened(&host), shortened(&component));
        Refusal::new(
            file,
            Gate::Layout,
            "has another memory layout than this gopiper",
            format!("{}: {component}\nin {}", self.what, shortened(&self.place)),
            format!("{}: {host}", self.what),
            format!("build the component again with an unchanged gopiper-abi {INTERFACE_VERSION}"),
        )
    }
}

/// The most informative difference. The text of `abi_stable` itself runs to 130 KB.
fn explain(errors: &AbiInstabilityErrors) -> Difference {
    let all = || errors.errors.iter().flat_map(|error| error.errs.iter().map(move |e| (error, e)));
    // They come outermost first. What holds a type of another size is of another size itself: the
    // smallest is the cause.
    let is_size = |e: &AbiInstability| matches!(e, A::Size(_) | A::Alignment(_));
    let smallest = || all().min_by_key(|(error, _)| type_at_end(error).map(|ty| ty.size()));
    let first = all().find(|(_, e)| !is_size(e)).or_else(smallest);
    let Some((error, difference)) = first else {
        return unknown_difference("another");
    };
    let (what, expected, found) = match error.stack_trace.last() {
        // Whatever differs in a function: its signature shows it.
        Some(ExpectedFound {
            expected: TLFieldOrFunction::Function(expected),
            found: TLFieldOrFunction::Function(found),
        }) => ("function", expected.to_string(), found.to_string()),
        _ => in_words(difference),
    };
    Difference { place: place(error, difference), what, expected, found }
}

fn unknown_difference(found: &str) -> Difference {
    let place = "the root module".to_owned();
    Difference { place, what: "layout", expected: "the host's".into(), found: found.into() }
}

/// The type that differs, and the path from the root module to it.
fn place(error: &AbiInstabilityError, difference: &AbiInstability) -> String {
    let mut path = vec!["ComponentModule"];
    for step in &error.stack_trace {
        let name = match &step.expected {
            TLFieldOrFunction::Field(field) => field.name(),
            TLFieldOrFunction::Function(function) => function.name.as_str(),
        };
        // Names that abi_stable made up, and a field that is a function, which comes as both.
        let is_noise = name.starts_with("field_") || name == "0" || name == "__returns";
        if !is_noise && path.last() != Some(&name) {
            path.push(name);
        }
    }
    let is_root = path.len() == 1;
    let path = path.join(".");
    match (difference, type_at_end(error)) {
        // The path alone leads to the field that is of another type.
        (A::Name(_) | A::Package(_), _) | (_, None) => path,
        (_, Some(_)) if is_root => path,
        (_, Some(differs)) => format!("{}, at {path}", differs.name()),
    }
}

fn type_at_end(error: &AbiInstabilityError) -> Option<&'static TypeLayout> {
    match &error.stack_trace.last()?.expected {
        TLFieldOrFunction::Field(field) => Some(field.layout()),
        TLFieldOrFunction::Function(_) => None,
    }
}

/// The difference, the interface's side of it, and the implementation's.
fn in_words(difference: &AbiInstability) -> (&'static str, String, String) {
    match difference {
        A::Name(v) => said("type", v),
        A::Package(v) => said("package of the type", v),
        A::PackageVersion(v) => said("version of the type's package", v),
        A::Size(v) => said("size in bytes", v),
        A::Alignment(v) => said("alignment in bytes", v),
        A::MismatchedPrefixSize(v) => said("number of fields from the start", v),
        A::FieldCountMismatch(v) => said("number of fields", v),
        A::GenericParamCount(v) => said("generic parameters", v),
        A::TooManyVariants(v) => said("number of variants", v),
        A::UnexpectedVariant(v) => said("name of a variant", v),
        A::UnexpectedField(v) => ("field", field(&v.expected), field(&v.found)),
        A::FieldLifetimeMismatch(v) => ("lifetimes", field(&v.expected), field(&v.found)),
        A::NonZeroness(v) => said("whether it is never zero", v),
        A::ReprAttr(v) => shown("repr", v),
        A::TLDataDiscriminant(v) => shown("kind of type", v),
        A::MismatchedPrimitive(v) => shown("primitive type", v),
        A::MismatchedPrefixConditionality(v) => shown("conditional fields", v),
        A::MismatchedExhaustiveness(v) => shown("whether the enum may grow", v),
        A::MismatchedConstParam(v) => shown("const parameter", v),
        A::EnumDiscriminant(v) => shown("number of a variant", v),
        other => ("layout", "the same".to_owned(), format!("{other:?}")),
    }
}

fn said<T: Display>(what: &'static str, v: &ExpectedFound<T>) -> (&'static str, String, String) {
    (what, v.expected.to_string(), v.found.to_string())
}

fn shown<T: Debug>(what: &'static str, v: &ExpectedFound<T>) -> (&'static str, String, String) {
    (what, format!("{:?}", v.expected), format!("{:?}", v.found))
}

fn field(field: &TLField) -> String {
    // The name that abi_stable has for the type of every function.
    match field.full_type().to_string() {
        function if function == "AFunctionPointer" => format!("{}, a function", field.name()),
        other => format!("{} of type {other}", field.name()),
    }
}

#[cfg(test)]
mod tests {
    // The derive macro of abi_stable writes such code, and accessors that are never called.
    #![allow(unsafe_code, non_camel_case_types, non_local_definitions)]
    #![allow(dead_code, unreachable_pub)]

    use super::*;

    /// A state of an interface: a module whose root leads through a function to `Inner`.
    macro_rules! interface {
        ($name:ident, root: { $($root:tt)* }, inner: { $($inner:tt)* }) => {
            mod $name {
                use abi_stable::StableAbi;

                #[repr(C)]
                #[derive(StableAbi)]
                pub struct Inner { $($inner)* }

                #[repr(C)]
                #[derive(StableAbi)]
                #[sabi(kind(Prefix(prefix_ref = Root_Ref, prefix_fields = Root_Prefix)))]
                #[sabi(missing_field(option))]
                pub struct Root { $($root)* }

                pub const LAYOUT: &abi_stable::type_layout::TypeLayout =
                    <Root_Ref as StableAbi>::LAYOUT;
            }
        };
    }

    interface!(original,
        root: { pub a: u32, #[sabi(last_prefix_field)] pub make: extern "C" fn(u8) -> Inner },
        inner: { pub x: u32, pub y: u32 });
    interface!(with_new_entry,
        root: {
            pub a: u32,
            #[sabi(last_prefix_field)]
            pub make: extern "C" fn(u8) -> Inner,
            pub more: extern "C" fn()
        },
        inner: { pub x: u32, pub y: u32 });
    interface!(with_another_type,
        root: { pub a: u32, #[sabi(last_prefix_field)] pub make: extern "C" fn(u8) -> Inner },
        inner: { pub x: u32, pub y: u64 });
    interface!(with_another_name,
        root: { pub b: u32, #[sabi(last_prefix_field)] pub make: extern "C" fn(u8) -> Inner },
        inner: { pub x: u32, pub y: u32 });
    interface!(with_another_function,
        root: { pub a: u32, #[sabi(last_prefix_field)] pub make: extern "C" fn(u8, u8) -> Inner },
        inner: { pub x: u32, pub y: u32 });
    interface!(with_a_longer_struct,
        root: { pub a: u32, #[sabi(last_prefix_field)] pub make: extern "C" fn(u8) -> Inner },
        inner: { pub x: u32, pub y: u32, pub z: u32 });

    fn compare(component: &'static TypeLayout, order: Ordering) -> Result<(), Refusal> {
        check(Path::new("a.so"), original::LAYOUT, component, order)
    }

    #[test]
    fn a_later_version_may_add_entries_and_an_earlier_one_lack_them() {
        compare(original::LAYOUT, Ordering::Equal).unwrap();
        compare(with_new_entry::LAYOUT, Ordering::Greater).unwrap();
        let earlier =
            |order| check(Path::new("a.so"), with_new_entry::LAYOUT, original::LAYOUT, order);
        earlier(Ordering::Less).unwrap();
        // The purpose of the order: the other direction refuses the same two.
        earlier(Ordering::Greater).unwrap_err();
        compare(with_new_entry::LAYOUT, Ordering::Less).unwrap_err();
    }

    #[test]
    fn each_change_is_refused_with_its_place_and_both_sides() {
        let cases = [
            (with_another_type::LAYOUT, "type: u64\nin ComponentModule.make.y", "type: u32"),
            (
                with_another_name::LAYOUT,
                "field: b of type u32\nin ComponentModule",
                "field: a of type u32",
            ),
            (
                with_a_longer_struct::LAYOUT,
                "number of fields: 3\nin Inner, at ComponentModule.make",
                "number of fields: 2",
            ),
        ];
        for (component, found, wanted) in cases {
            // The component's side is `found`, whichever of the two is the interface.
            for order in [Ordering::Less, Ordering::Equal, Ordering::Greater] {
                let refusal = compare(component, order).unwrap_err();
                assert_eq!((&*refusal.found, &*refusal.wanted), (found, wanted));
                assert_eq!(refusal.gate, Gate::Layout);
            }
        }
        let function = compare(with_another_function::LAYOUT, Ordering::Equal).unwrap_err();
        assert!(function.found.contains("u8, "), "{function}");
        assert!(function.found.contains("in ComponentModule.make"), "{function}");
        assert!(!function.wanted.contains("u8, "), "{function}");
    }

    #[test]
    fn the_result_does_not_depend_on_what_was_compared_before() {
        for _ in 0..3 {
            compare(with_another_type::LAYOUT, Ordering::Equal).unwrap_err();
            compare(with_new_entry::LAYOUT, Ordering::Greater).unwrap();
            compare(original::LAYOUT, Ordering::Equal).unwrap();
        }
    }
}
