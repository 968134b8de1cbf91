//! The modules of a crate: what each defines, re-exports and uses. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A path below the crate's root, such as `stage::outlet`; empty for the root itself.
pub(super) type ModulePath = String;

/// The content of one file.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// Its types, with the lines that each name is defined in.
    pub(super) types: BTreeMap<String, Vec<usize>>,
    /// Everything else that has a name, modules aside.
    others: BTreeSet<String>,
    /// Names that are aliases of paths, and paths all of whose names are taken over.
    reexports: Vec<(Option<String>, String)>,
    /// Paths from the crate's root that it uses, with their lines.
    pub(super) uses: Vec<(String, usize)>,
}

pub(super) struct CrateMap {
    pub(super) modules: BTreeMap<ModulePath, Module>,
}

impl CrateMap {
    /// All files in this `src` folder.
    pub(super) fn read(src: &Path) -> Result<Self> {
        let mut modules = BTreeMap::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if path.is_dir() && name != "tests" && name != "template" {
                    folders.push(path);
                } else if name.ends_with(".rs") && !is_of_tests(&name) {
                    let text = fs::read_to_string(&path)?;
                    let module = module_path(path.strip_prefix(src)?);
                    let read = Module::read(&module, &path, &text);
                    modules.insert(module, read.with_context(|| format!("{}", path.display()))?);
                }
            }
        }
        Ok(CrateMap { modules })
    }

    /// The module that defines the item of this path, through re-exports.
    pub(super) fn defines(&self, path: &str) -> Option<ModulePath> {
        self.resolve(path, 0)
    }

    fn resolve(&self, path: &str, depth: usize) -> Option<ModulePath> {
        let mut module = ModulePath::new();
        let mut segments = path.split("::").peekable();
        while let Some(segment) = segments.next() {
            let inner = joined(&module, segment);
            if self.modules.contains_key(&inner) {
                module = inner;
                continue;
            }
            let here = self.modules.get(&module)?;
            if here.types.contains_key(segment) || here.others.contains(segment) || depth > 8 {
                return Some(module);
            }
            let rest = segments.collect::<Vec<_>>().join("::");
            let found = here.reexports.iter().find_map(|(name, target)| {
                let target = match name {
                    Some(name) if name == segment => joined(target, &rest),
                    Some(_) => return None,
                    None => joined(&joined(target, segment), &rest),
                };
                self.resolve(&target, depth + 1)
            });
            // Something of another crate that is re-exported here counts as this module's.
            let is_named =
                || here.reexports.iter().any(|(name, _)| name.as_deref() == Some(segment));
            return found.or_else(|| is_named().then_some(module));
        }
        Some(module)
    }
}

/// Appends to a path, either of which may be empty.
fn joined(path: &str, more: &str) -> String {
    match (path, more) {
        ("", more) => more.to_owned(),
        (path, "") => path.to_owned(),
        (path, more) => format!("{path}::{more}"),
    }
}

fn is_of_tests(name: &str) -> bool {
    matches!(name, "tests.rs" | "models.rs") || name.ends_with("_test.rs")
}

fn module_path(file: &Path) -> ModulePath {
    let mut parts: Vec<_> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let last = parts.pop().unwrap_or_default();
    let stem = last.trim_end_matches(".rs");
    if !matches!(stem, "mod" | "lib" | "main") {
        parts.push(stem.to_owned());
    }
    parts.join("::")
}

impl Module {
    fn read(path: &str, file: &Path, text: &str) -> Result<Self> {
        let parsed = syn::parse_file(text)?;
        let mut reader = Reader {
            path,
            depth: 0,
            module: Module { file: file.to_owned(), ..Module::default() },
        };
        reader.visit_file(&parsed);
        Ok(reader.module)
    }
}

struct Reader<'a> {
    path: &'a str,
    /// How many modules within the file surround the current place.
    depth: usize,
    module: Module,
}

impl Reader<'_> {
    /// A path as it is written, from the crate's root.
    fn absolute(&self, written: &str) -> Option<String> {
        let (first, rest) = written.split_once("::").unwrap_or((written, ""));
        match first {
            "crate" => Some(rest.to_owned()),
            "self" => Some(joined(self.path, rest)),
            "super" if self.depth > 0 => None,
            "super" => {
                let parent = self.path.rsplit_once("::").map_or("", |(parent, _)| parent);
                let above = Reader { path: parent, depth: 0, module: Module::default() };
                match rest.split("::").next() {
                    Some("super") => above.absolute(rest),
                    _ => Some(joined(parent, rest)),
                }
            }
            _ => None,
        }
    }

    fn used(&mut self, tree: &UseTree, before: &str, line: usize, is_reexport: bool) {
        match tree {
            UseTree::Path(path) => {
                let before = joined(before, &path.ident.to_string());
                self.used(&path.tree, &before, line, is_reexport);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.used(tree, before, line, is_reexport));
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.imported(before, None, line, is_reexport)
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.imported(&joined(before, &name), Some(&name), line, is_reexport);
            }
            UseTree::Rename(rename) => {
                let (path, name) =
                    (joined(before, &rename.ident.to_string()), rename.rename.to_string());
                self.imported(&path, Some(&name), line, is_reexport);
            }
            UseTree::Glob(_) => {
                if let Some(path) = self.absolute(before) {
                    self.module.uses.push((path, line));
                }
                if let (Some(path), true) = (self.path_of(before), is_reexport) {
                    self.module.reexports.push((None, path));
                }
            }
        }
    }

    /// The paths among tokens, `pub(in crate::…)` aside.
    fn used_among(&mut self, tokens: TokenStream) {
        let is_colon =
            |token: &TokenTree| matches!(token, TokenTree::Punct(it) if it.as_char() == ':');
        let mut tokens = tokens.into_iter().peekable();
        if tokens.peek().is_some_and(|token| matches!(token, TokenTree::Ident(it) if it == "in")) {
            return;
        }
        while let Some(token) = tokens.next() {
            let first = match token {
                TokenTree::Group(group) => {
                    self.used_among(group.stream());
                    continue;
                }
                TokenTree::Ident(first) if first == "crate" || first == "super" => first,
                _ => continue,
            };
            let mut path = first.to_string();
            while tokens.next_if(is_colon).is_some() {
                if let Some(TokenTree::Ident(next)) =
                    tokens.next_if(|token| matches!(token, TokenTree::Ident(_)))
                {
                    path = joined(&path, &next.to_string());
                }
            }
            if let Some(used) = self.absolute(&path) {
                self.module.uses.push((used, first.span().start().line));
            }
        }
    }

    /// Also a path that begins with a module beside or below, as a re-export may.
    fn path_of(&self, written: &str) -> Option<String> {
        self.absolute(written).or_else(|| Some(joined(self.path, written)))
    }

    fn imported(&mut self, written: &str, name: Option<&str>, line: usize, is_reexport: bool) {
        if let Some(path) = self.absolute(written) {
            self.module.uses.push((path, line));
        }
        if let (Some(path), true) = (self.path_of(written), is_reexport) {
            let name = name.map_or_else(
                || path.rsplit("::").next().unwrap_or_default().to_owned(),
                str::to_owned,
            );
            self.module.reexports.push((Some(name), path));
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let meta = &attribute.meta;
        let text = meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        meta.path().is_ident("cfg") && (text.contains("test") || text.contains("loom"))
    })
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name, is_type) = match item {
            Item::Struct(item) => (&item.attrs, Some(&item.ident), true),
            Item::Enum(item) => (&item.attrs, Some(&item.ident), true),
            Item::Union(item) => (&item.attrs, Some(&item.ident), true),
            Item::Trait(item) => (&item.attrs, Some(&item.ident), true),
            Item::Type(item) => (&item.attrs, Some(&item.ident), true),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident), false),
            Item::Const(item) => (&item.attrs, Some(&item.ident), false),
            Item::Static(item) => (&item.attrs, Some(&item.ident), false),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref(), false),
            Item::Mod(item) => (&item.attrs, None, false),
            Item::Impl(item) => (&item.attrs, None, false),
            Item::Use(item) => (&item.attrs, None, false),
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            return;
        }
        if let Some(name) = name {
            let line = name.span().start().line;
            match is_type {
                true => self.module.types.entry(name.to_string()).or_default().push(line),
                false => drop(self.module.others.insert(name.to_string())),
            }
        }
        if let Item::Use(item) = item {
            let is_reexport = !matches!(item.vis, Visibility::Inherited);
            let line = item.use_token.span.start().line;
            self.used(&item.tree, "", line, is_reexport);
        }
        self.depth += usize::from(matches!(item, Item::Mod(_)));
        visit::visit_item(self, item);
        self.depth -= usize::from(matches!(item, Item::Mod(_)));
    }

    /// `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if words.first().is_some_and(|word| word == "crate" || word == "super")
            && let Some(used) = self.absolute(&words.join("::"))
        {
            let line = path.segments[0].ident.span().start().line;
            self.module.uses.push((used, line));
        }
        visit::visit_path(self, path);
    }

    /// What a macro makes of its tokens is not known here, so only the paths among them are read.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.used_among(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}
