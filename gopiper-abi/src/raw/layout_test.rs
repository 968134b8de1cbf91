//! The golden test of the interface: `layout.txt` is what lies in memory on both sides.
//!
//! The text comes from what `abi_stable` reflects of the types, from the module of a component on,
//! so that nothing which crosses the boundary is forgotten. Whatever changes a line of it changes
//! the interface.
use std::{collections::BTreeMap, fmt::Write, mem::offset_of};

use abi_stable::{
    StableAbi,
    std_types::utypeid::UTypeId,
    type_layout::{TLData, TLField, TLFields, TLPrimitive, TypeLayout},
};

use super::*;

const GOLDEN: &str = include_str!("layout.txt");

#[test]
fn the_layout_is_the_one_that_was_agreed_on() {
    let found = layout();
    if found == GOLDEN {
        return;
    }
    if std::env::var_os("GOPIPER_BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/raw/layout.txt");
        std::fs::write(file, found).unwrap();
        return;
    }
    panic!(
        "the layout in memory differs from layout.txt ('-' agreed, '+' found):\n{}\nThis changes \
         the interface: components that were built before may be refused. If you intend that, \
         write the file again:\n    GOPIPER_BLESS=1 cargo test -p gopiper-abi --lib layout\n",
        diff(GOLDEN, &found)
    );
}

#[test]
fn every_type_of_the_interface_is_listed() {
    let found = layout();
    for name in [
        "Attribute",
        "BatchHeader",
        "BatchVtable",
        "ComponentModule",
        "ComponentVtable",
        "Delivery",
        "DeliveryVtable",
        "Entry",
        "Extra",
        "FactoryVtable",
        "HandleFlags",
        "Host",
        "HostServices",
        "Kind",
        "Label",
        "Level",
        "Map",
        "Message",
        "Metric",
        "MetricDescription",
        "MetricKind",
        "Need",
        "Outcome",
        "Parallel",
        "Parent",
        "Payload",
        "PayloadMut",
        "PayloadOwner",
        "PayloadVtable",
        "Produced",
        "RawComponent",
        "RawError",
        "RawFactory",
        "Rare",
        "Region",
        "Positions",
        "SendOptions",
        "SendStatus",
        "Trace",
        "Value",
        "ValueBits",
        "ValueObject",
        "ValueTag",
        "ValueVtable",
    ] {
        let head = format!("\n{name} of gopiper-abi: ");
        assert!(found.contains(&head), "{name} is not listed in\n{found}");
    }
}

/// The offsets in the text are computed by C's rule; here the compiler says what they are.
#[test]
fn the_offsets_are_the_compilers() {
    let found = layout();
    macro_rules! check {
        ($($type:ident { $($field:ident),* })*) => {$(
            let head = format!("\n{} of gopiper-abi: ", stringify!($type));
            let text = found.split_once(&head).expect(stringify!($type)).1;
            let text = text.split("\n\n").next().unwrap();
            let size = format!("size {}, align {}", size_of::<$type>(), align_of::<$type>());
            assert!(text.contains(&size), "{}: {size}, not {text}", stringify!($type));
            let mut fields = 0;
            $({
                let line = format!("\n{:6}  {}: ", offset_of!($type, $field), stringify!($field));
                assert!(text.contains(&line), "{}:{line} not in {text}", stringify!($type));
                fields += 1;
            })*
            assert_eq!(text.lines().count(), 1 + fields, "{}: all fields", stringify!($type));
        )*};
    }
    check! {
        BatchHeader { messages, len, capacity, cursor, holds, sequence, vtable, call, run_bytes }
        Entry { key, value }
        Attribute { name, name_len, value }
        Extra {
            memory, references, len, value, description, description_len, rare, has_objects,
            reserved, attributes
        }
        Rare { trace, later }
        Message {
            payload, extra, delivery, index, status, time, attempts, tail, flags, branch, piece
        }
        MessagePosition { positions, index }
        Metric { value, bounds, buckets, bound_count }
        Parent { delivery, first, count }
        Payload { data, len, owner }
        PayloadOwner { vtable, size }
        Produced { state, reserved, until }
        RawComponent { object, vtable }
        RawError { attribute, message, temporary }
        RawFactory { object, vtable }
        Region { descriptor, reserved, offset, base }
        SendOptions { token, flags, parent_count, parents, positions }
        Trace { id, span, flags }
    }
}

/// Shows a change: a test that cannot fail would guard nothing.
#[test]
fn a_difference_is_shown() {
    let changed = GOLDEN.replace("  40  index: u32", "  40  index: u64");
    assert_ne!(changed, GOLDEN);
    let shown = diff(GOLDEN, &changed);
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(shown.contains("Message of gopiper-abi"), "{shown}");
    assert!(shown.contains("-    40  index: u32"), "{shown}");
    assert!(shown.contains("+    40  index: u64"), "{shown}");
}

/// Each type's id and body, by its name.
type Types = BTreeMap<String, (Option<UTypeId>, String)>;

fn layout() -> String {
    let mut types = Types::new();
    visit(<ComponentModule_Ref as StableAbi>::LAYOUT, &mut types);
    types.insert("Note of the file".into(), (None, note()));
    let mut text = String::from(
        "What lies in memory on both sides of the boundary: offset, field, type. Made by \
         layout_test.rs.\n",
    );
    for (name, (_, body)) in types.into_iter().filter(|(_, (_, body))| !body.is_empty()) {
        write!(text, "\n{name}: {body}").unwrap();
    }
    text
}

/// Puts a type and all that it leads to into the list, under its name.
fn visit(layout: &'static TypeLayout, types: &mut Types) {
    let id = layout.get_utypeid();
    let name = format!("{} of {}", name(layout), layout.package());
    if let Some((seen, _)) = types.get(&name) {
        assert_eq!(*seen, Some(id), "two types are called {name}: name() must tell them apart");
        return;
    }
    types.insert(name.clone(), (Some(id), body(layout)));
    let fields = layout.get_fields().into_iter().flat_map(|fields| fields.iter());
    for field in fields.chain(layout.phantom_fields().iter()) {
        for function in field.function_range().iter() {
            function.param_type_layouts.iter().for_each(|parameter| visit(parameter(), types));
            function.return_type_layout().into_iter().for_each(|returned| visit(returned(), types));
        }
        if field.function_range().is_empty() {
            visit(field.layout(), types);
        }
    }
    layout.generics().type_params().iter().for_each(|parameter| visit(parameter(), types));
}

/// The name of a type, without lifetimes.
fn name(layout: &'static TypeLayout) -> String {
    let parameters: Vec<String> =
        layout.generics().type_params().iter().map(|parameter| name(parameter())).collect();
    let of = |field: &str| -> String {
        let fields = layout.get_fields().expect("a struct");
        name(fields.iter().find(|f| f.name() == field).expect("the field").layout())
    };
    match (layout.data(), layout.name()) {
        (TLData::Primitive(TLPrimitive::SharedRef), _) => format!("&{}", parameters[0]),
        (TLData::Primitive(TLPrimitive::MutRef), _) => format!("&mut {}", parameters[0]),
        (TLData::Primitive(TLPrimitive::ConstPtr), _) => format!("*const {}", parameters[0]),
        (TLData::Primitive(TLPrimitive::MutPtr), _) => format!("*mut {}", parameters[0]),
        (TLData::Primitive(TLPrimitive::Array), _) => {
            let element = layout.generics().type_params()[0]();
            format!("[{}; {}]", parameters[0], layout.size() / element.size())
        }
        // These do not say their parameters.
        (TLData::Enum(variants), "RResult") => {
            let fields: Vec<String> = variants.fields.iter().map(|f| name(f.layout())).collect();
            format!("RResult<{}>", fields.join(", "))
        }
        (_, "RVec") => of("buffer").replacen("NonNull", "RVec", 1),
        (_, "RSlice") => format!("RSlice<{}>", of("data").replace("*const ", "")),
        (_, "Object") => format!("Object<{}>", of("body")),
        (_, name) if parameters.is_empty() => name.to_owned(),
        (_, name) => format!("{name}<{}>", parameters.join(", ")),
    }
}

/// The parts of a type; empty for the language's own types, and for types that take no room.
fn body(layout: &'static TypeLayout) -> String {
    let mut body = String::new();
    let head =
        |kind: &str| format!("{kind}, size {}, align {}\n", layout.size(), layout.alignment());
    match layout.data() {
        TLData::Primitive(_) => {}
        _ if layout.size() == 0 => {}
        TLData::Opaque => body = head("opaque"),
        TLData::Struct { fields } => {
            body = head("struct");
            list(fields, true, &mut body);
        }
        TLData::Union { fields } => {
            body = head("union");
            list(fields, false, &mut body);
        }
        TLData::PrefixType(prefix) => {
            body = head(&format!("entries, {} from the start", prefix.first_suffix_field));
            list(prefix.fields, true, &mut body);
        }
        TLData::Enum(variants) => {
            body = head("enum");
            let mut fields = variants.fields.iter();
            let counts = variants.field_count.iter().map(|count| usize::from(*count));
            for (variant, count) in variants.variant_names_iter().zip(counts) {
                let fields: Vec<String> = fields.by_ref().take(count).map(type_of).collect();
                writeln!(body, "        {variant}({})", fields.join(", ")).unwrap();
            }
        }
    }
    body
}

/// The fields of a `repr(C)` type, one a line.
fn list(fields: TLFields, in_sequence: bool, body: &mut String) {
    let mut end = 0usize;
    for field in fields.iter() {
        let layout = field.layout();
        let offset = if in_sequence { end.next_multiple_of(layout.alignment()) } else { 0 };
        end = offset + layout.size();
        writeln!(body, "{offset:6}  {}: {}", field.name(), type_of(field)).unwrap();
    }
}

fn type_of(field: TLField) -> String {
    let functions = field.function_range();
    if functions.is_empty() {
        return name(field.layout());
    }
    let functions = functions.iter().map(|function| {
        let types = function.param_type_layouts.iter().map(|layout| name(layout()));
        let names = function.param_names.as_str().split([',', ';']);
        let parameters = names.zip(types).map(|(name, of)| match name {
            "" => of,
            name => format!("{name}: {of}"),
        });
        let parameters: Vec<String> = parameters.collect();
        let returned = match function.return_type_layout() {
            Some(layout) => format!(" -> {}", name(layout())),
            None => String::new(),
        };
        let prefix = if function.fn_qualifs.is_unsafe() { "unsafe " } else { "" };
        format!("{prefix}fn({}){returned}", parameters.join(", "))
    });
    functions.collect::<Vec<_>>().join(" ")
}

/// The note is read from the file, not from memory: no `StableAbi`.
fn note() -> String {
    let mut body = String::new();
    let start = offset_of!(Note, description);
    writeln!(body, "struct, size {}, align {}", size_of::<Note>(), align_of::<Note>()).unwrap();
    macro_rules! fields {
        ($($field:ident: $type:ty),*) => {$({
            let _: fn(&NoteDescription) -> &$type = |description| &description.$field;
            let offset = start + offset_of!(NoteDescription, $field);
            writeln!(body, "{offset:6}  {}: {}", stringify!($field), stringify!($type)).unwrap();
        })*};
    }
    fields! {
        kind: u32, panic: u32, layout: [u8; 8], name: [u8; 64], version: [u8; 32],
        interface: [u8; 32], target: [u8; 64], rustc: [u8; 64], cpu: [u8; 320],
        digest: [u8; 32]
    }
    body
}

/// The types that differ, with their lines.
fn diff(before: &str, after: &str) -> String {
    let split = |text: &str| -> BTreeMap<String, Vec<String>> {
        let types = text.split("\n\n").map(|part| {
            let mut lines = part.lines().map(str::to_owned);
            let head = lines.next().unwrap_or_default();
            let name = head.split(": ").next().unwrap_or_default().to_owned();
            (name, std::iter::once(head).chain(lines).collect())
        });
        types.collect()
    };
    let (before, after) = (split(before), split(after));
    let mut shown = String::new();
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let none = Vec::new();
        let (old, new) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        if old == new {
            continue;
        }
        writeln!(shown, "{name}").unwrap();
        old.iter()
            .filter(|line| !new.contains(line))
            .for_each(|l| writeln!(shown, "-{l}").unwrap());
        new.iter()
            .filter(|line| !old.contains(line))
            .for_each(|l| writeln!(shown, "+{l}").unwrap());
    }
    shown
}
