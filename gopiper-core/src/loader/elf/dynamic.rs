//! The requests of an ELF file to the dynamic linker: libraries and their versions, memory of each
//! thread, a stack.

use object::elf::{
    self, ProgramHeader64, SectionHeader64, Sym64, Verdaux, Verdef, Vernaux, Verneed,
};
use object::read::elf::{Dyn, ProgramHeader, SectionHeader, Sym};
use object::{LittleEndian, ReadRef};

use super::glibc::GlibcVersion;
use super::{Elf, LE, damaged};
use crate::loader::refusal::Refusal;

/// Real files need a few dozen symbol versions; a forged one must not take long.
const MOST_SYMBOL_VERSIONS: usize = 4096;

/// The links of a file to others, and its needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// Its name for other files.
    pub(crate) soname: Option<String>,
    /// The names of the libraries that it needs.
    pub(crate) needed: Vec<String>,
    /// Its own search path: the folders before those of the environment, and those after them.
    pub(crate) rpath: Vec<String>,
    pub(crate) runpath: Vec<String>,
    /// The symbol versions that must be there: of which library, and which.
    pub(crate) versions: Vec<(String, String)>,
    /// How many bytes of each thread it wants from the few that glibc keeps for libraries that are
    /// opened late.
    pub(crate) static_tls: Option<u64>,
    pub(crate) has_executable_stack: bool,
    pub(crate) has_text_relocations: bool,
    /// How many symbols it shares with all other files that have them (`STB_GNU_UNIQUE`).
    pub(crate) unique_symbols: usize,
}

impl Links {
    /// The newest version of glibc that the dynamic linker will insist on.
    pub(crate) fn glibc(&self) -> Option<GlibcVersion> {
        let versions = self.versions.iter();
        versions.filter_map(|(_, name)| GlibcVersion::from_symbol_version(name.as_bytes())).max()
    }
}

impl<'a> Elf<'a> {
    /// Read through the dynamic segment, as the dynamic linker does.
    pub(crate) fn links(&self) -> Result<Links, Refusal> {
        let broken = || damaged(self.file, "a broken table of needed symbol versions");
        let versions = match self.dynamic_value(elf::DT_VERNEED) {
            Some(table) => {
                let table = self.at_address(table).ok_or_else(broken)?;
                needed_versions(table, self.names().ok_or_else(broken)?).ok_or_else(broken)?
            }
            None => Vec::new(),
        };
        let flags = elf::DynamicFlags(self.dynamic_value(elf::DT_FLAGS).unwrap_or(0));
        let tls = self.segment(elf::PT_TLS).map(|segment| segment.p_memsz(LE));
        let stack = self.segment(elf::PT_GNU_STACK).map(|segment| segment.p_flags(LE));
        let folders = |tag| -> Result<Vec<String>, Refusal> {
            let lists = self.texts(tag)?;
            Ok(lists.iter().flat_map(|list| list.split(':')).map(str::to_owned).collect())
        };
        Ok(Links {
            soname: self.texts(elf::DT_SONAME)?.pop(),
            needed: self.texts(elf::DT_NEEDED)?,
            rpath: folders(elf::DT_RPATH)?,
            runpath: folders(elf::DT_RUNPATH)?,
            versions: versions.iter().map(|(of, name)| (lossy(of), lossy(name))).collect(),
            static_tls: tls.filter(|_| flags.contains(elf::DF_STATIC_TLS)),
            // glibc takes a missing header for an executable one.
            has_executable_stack: stack.is_none_or(|flags| flags.contains(elf::PF_X)),
            has_text_relocations: flags.contains(elf::DF_TEXTREL)
                || self.dynamic_value(elf::DT_TEXTREL).is_some(),
            unique_symbols: self.unique_symbols(),
        })
    }

    /// The symbol versions that it has for others.
    pub(crate) fn defined_versions(&self) -> Option<Vec<String>> {
        let table = self.at_address(self.dynamic_value(elf::DT_VERDEF)?)?;
        let names = self.names()?;
        let mut defined = Vec::new();
        let mut at = 0u64;
        while defined.len() < MOST_SYMBOL_VERSIONS {
            let version = table.read_at::<Verdef<LittleEndian>>(at).ok()?;
            let name = at + u64::from(version.vd_aux.get(LE));
            let name = table.read_at::<Verdaux<LittleEndian>>(name).ok()?;
            defined.push(lossy(text_at(names, name.vda_name.get(LE).into())?));
            match version.vd_next.get(LE) {
                0 => return Some(defined),
                next => at += u64::from(next),
            }
        }
        None
    }

    fn unique_symbols(&self) -> usize {
        let is_table = |section: &&SectionHeader64<_>| section.sh_type(LE) == elf::SHT_DYNSYM;
        let table = self.sections.iter().find(is_table);
        let symbols = table.and_then(|section| {
            section.data_as_array::<Sym64<LittleEndian>, _>(LE, self.bytes).ok()
        });
        let is_unique = |symbol: &&Sym64<LittleEndian>| {
            symbol.st_bind() == elf::STB_GNU_UNIQUE && !symbol.is_undefined(LE)
        };
        symbols.unwrap_or_default().iter().filter(is_unique).count()
    }

    fn segment(&self, kind: elf::ProgramType) -> Option<&ProgramHeader64<LittleEndian>> {
        self.segments.iter().find(|segment| segment.p_type(LE) == kind)
    }

    fn names(&self) -> Option<&'a [u8]> {
        self.at_address(self.dynamic_value(elf::DT_STRTAB)?)
    }

    /// The texts of all entries with this tag.
    fn texts(&self, tag: elf::DynamicTag) -> Result<Vec<String>, Refusal> {
        let text = |at| text_at(self.names()?, at).map(lossy);
        let texts = self.dynamic_values(tag).map(text).collect::<Option<_>>();
        texts.ok_or_else(|| damaged(self.file, "a broken table of names"))
    }

    fn dynamic_value(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.dynamic_values(tag).last()
    }

    fn dynamic_values(&self, tag: elf::DynamicTag) -> impl Iterator<Item = u64> {
        let mut dynamics = self.segments.iter().filter_map(|s| s.dynamic(LE, self.bytes).ok()?);
        let entries = dynamics.next().unwrap_or_default().iter();
        let entries = entries.take_while(|entry| entry.tag(LE) != elf::DT_NULL);
        entries.filter(move |entry| entry.tag(LE) == tag).map(|entry| entry.val(LE))
    }

    /// The bytes that are mapped at `address`, to the end of their segment.
    fn at_address(&self, address: u64) -> Option<&'a [u8]> {
        self.segments.iter().filter(|s| s.p_type(LE) == elf::PT_LOAD).find_map(|segment| {
            let offset = address.checked_sub(segment.p_vaddr(LE))?;
            segment.data(LE, self.bytes).ok()?.get(usize::try_from(offset).ok()?..)
        })
    }
}

fn text_at(names: &[u8], at: u64) -> Option<&[u8]> {
    let text = names.get(usize::try_from(at).ok()?..)?;
    Some(&text[..text.iter().position(|byte| *byte == 0)?])
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The names in a table of needed versions (`.gnu.version_r`), each after its library's, except
/// those that may be missing.
///
/// `None` if an entry is outside of the table, or if there are too many.
fn needed_versions<'a>(table: &[u8], names: &'a [u8]) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mut needed = Vec::new();
    let mut seen = 0;
    let mut library_at = 0u64;
    loop {
        let library = table.read_at::<Verneed<LittleEndian>>(library_at).ok()?;
        let mut version_at = library_at + u64::from(library.vn_aux.get(LE));
        for _ in 0..library.vn_cnt.get(LE) {
            seen += 1;
            if seen > MOST_SYMBOL_VERSIONS {
                return None;
            }
            let version = table.read_at::<Vernaux<LittleEndian>>(version_at).ok()?;
            // The dynamic linker lets a file pass whose weak versions are missing.
            if !version.vna_flags.get(LE).contains(elf::VER_FLG_WEAK) {
                let name = text_at(names, version.vna_name.get(LE).into())?;
                needed.push((text_at(names, library.vn_file.get(LE).into())?, name));
            }
            match version.vna_next.get(LE) {
                0 => break,
                next => version_at += u64::from(next),
            }
        }
        seen += 1;
        match library.vn_next.get(LE) {
            0 => return Some(needed),
            _ if seen > MOST_SYMBOL_VERSIONS => return None,
            next => library_at += u64::from(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one library with the versions `name offset, flags`, one after the other.
    fn table(count: u16, versions: &[(u32, u16)]) -> Vec<u8> {
        let mut table = Vec::new();
        table.extend([1u16, count].map(u16::to_le_bytes).concat());
        table.extend([0u32, 16, 0].map(u32::to_le_bytes).concat());
        for (index, (name, flags)) in versions.iter().enumerate() {
            let next = if index + 1 < versions.len() { 16u32 } else { 0 };
            table.extend(0u32.to_le_bytes());
            table.extend([*flags, 2].map(u16::to_le_bytes).concat());
            table.extend([*name, next].map(u32::to_le_bytes).concat());
        }
        table
    }

    #[test]
    fn needed_versions_are_those_that_must_be_there() {
        const WEAK: u16 = 2;
        let names = b"\0GLIBC_2.3\0GLIBC_2.99\0";
        let needed = |table: &[u8]| {
            let needed = needed_versions(table, names)?;
            Some(needed.into_iter().map(|(_, name)| name).collect::<Vec<_>>())
        };
        assert_eq!(needed(&table(2, &[(1, 0), (11, WEAK)])).unwrap(), [b"GLIBC_2.3"]);
        assert_eq!(needed(&table(2, &[(1, 0), (11, 0)])).unwrap().len(), 2);
        // A name, or an entry, outside of its table.
        assert_eq!(needed(&table(1, &[(100, 0)])), None);
        assert_eq!(needed(&table(2, &[(1, 0), (11, 0)])[..40]), None);
        assert_eq!(needed(&[]), None);
        // More than any file needs.
        assert_eq!(needed(&table(u16::MAX, &[(1, 0); 5000])), None);
    }
}
