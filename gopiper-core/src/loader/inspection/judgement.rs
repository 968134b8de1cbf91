//! The verdicts of gates 1 and 2: whether a file with a note can run here.

use std::fs;

use super::{Inspection, PanicStrategy, Seal};
use crate::loader::elf::{Elf, GlibcVersion, HERE, cpu, other_machine};
use crate::loader::for_shell;
use crate::loader::refusal::{Gate, Refusal};
use crate::loader::version;

impl Inspection {
    /// The verdicts of gates 1 and 2.
    pub(crate) fn judge(&self, elf: &Elf<'_>) -> Vec<Refusal> {
        let machine = (elf.machine() != HERE)
            .then(|| other_machine(&self.file, format!("a library for {}", self.machine)));
        let verdicts = [
            machine,
            self.judge_type(elf),
            self.judge_kind(),
            self.judge_panic(),
            self.judge_libc(),
            self.judge_glibc(GlibcVersion::running()),
            self.judge_seal(),
            self.judge_versions(),
            self.judge_cpu(elf),
            self.judge_stack(),
            self.judge_relocations(),
            version::judge(&self.file, &self.interface, self.layout),
        ];
        verdicts.into_iter().flatten().collect()
    }

    fn judge_type(&self, elf: &Elf<'_>) -> Option<Refusal> {
        (!elf.is_shared_object()).then(|| {
            self.refusal(
                "is not a shared library",
                "an ELF file of another type (a program or an object file)",
                "a shared library",
                "build the component as a cdylib",
            )
        })
    }

    fn judge_kind(&self) -> Option<Refusal> {
        (self.kind.0 > 2).then(|| {
            self.refusal(
                "is of a kind that this gopiper does not support",
                format!("kind {}", self.kind.0),
                "0 (source), 1 (transform) or 2 (sink)",
                "install the gopiper that the component was built for",
            )
        })
    }

    fn judge_panic(&self) -> Option<Refusal> {
        let found = match self.panic {
            PanicStrategy::None | PanicStrategy::Unwind => return None,
            PanicStrategy::Abort => "built with panic = \"abort\"".to_owned(),
            PanicStrategy::Unknown(number) => format!("panic strategy {number}"),
        };
        Some(self.refusal(
            "would take the whole process down when it panics",
            found,
            "panics that unwind",
            "build it with panic = \"unwind\", the default, in its [profile]",
        ))
    }

    /// Two C libraries in one process conflict.
    fn judge_libc(&self) -> Option<Refusal> {
        let musl_here = cfg!(target_env = "musl");
        let musl_there = self.target.contains("-musl");
        // Its file on Alpine, and on other systems.
        let is_musl = |name: &&String| name.starts_with("libc.musl-") || *name == "libc.so";
        let musl = self.links.needed.iter().find(|name| !musl_here && is_musl(name));
        (musl_here != musl_there || musl.is_some()).then(|| {
            let here = if musl_here { "musl" } else { "gnu" };
            let needs = musl.map_or(String::new(), |name| format!(", needs {name} (musl)"));
            self.refusal(
                "is for another C library",
                format!("built for {}{needs}", self.target),
                format!("a target whose name ends in -{here}"),
                format!("build it for a -{here} target"),
            )
        })
    }

    fn judge_glibc(&self, here: Option<GlibcVersion>) -> Option<Refusal> {
        let (needed, here) = (self.glibc?, here?);
        (needed > here).then(|| {
            self.refusal(
                "needs a newer system",
                format!("it needs glibc {needed}"),
                format!("at most glibc {here}, the version on this system"),
                "build it on a system as old as this one, or run it on a newer one",
            )
        })
    }

    fn judge_seal(&self) -> Option<Refusal> {
        let Seal::Broken(noted) = self.seal else {
            return None;
        };
        Some(self.refusal(
            "was changed after it was sealed",
            format!("BLAKE3 {}", blake3::Hash::from_bytes(self.digest)),
            format!("BLAKE3 {}", blake3::Hash::from_bytes(noted)),
            format!(
                "copy or build it again; or, if the change was intended (for example, it was \
                 stripped),\nseal it again, with --attributes if it needs \
                 any:\ngopiper verify --seal {}",
                for_shell(&self.file)
            ),
        ))
    }

    fn refusal(
        &self,
        problem: &'static str,
        found: impl Into<String>,
        wanted: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Refusal {
        Refusal::new(&self.file, Gate::Note, problem, found, wanted, remedy)
    }

    /// Versions of symbols in other libraries than glibc (GLIBCXX_3.4.31 of libstdc++). Those of
    /// libgcc, which every component needs, are old.
    fn judge_versions(&self) -> Option<Refusal> {
        let versions = &self.links.versions;
        let is_other = |name: &str| !name.starts_with("GLIBC_") && !name.starts_with("GCC_");
        let mut others: Vec<&str> =
            versions.iter().filter(|(_, name)| is_other(name)).map(|(of, _)| &**of).collect();
        others.dedup();
        others.into_iter().find_map(|library| {
            // The dynamic linker refuses a file whose library is missing.
            let path = self.links.find(&self.file, library)?.path;
            let bytes = fs::read(&path).ok()?;
            let defined = Elf::parse(&path, &bytes).ok()?.defined_versions()?;
            let is_missing =
                |(of, name): &&(String, String)| of == library && !defined.contains(name);
            let (_, missing) = versions.iter().rfind(is_missing)?;
            Some(self.refusal(
                "needs a newer system",
                format!("it needs {missing} of {library}"),
                format!("a version that {} has", path.display()),
                "build it on a system as old as this one, run it on a newer one,\n\
                 or link the library into it (C++: -static-libstdc++)",
            ))
        })
    }

    fn judge_cpu(&self, elf: &Elf<'_>) -> Option<Refusal> {
        let missing = if elf.machine() == HERE { cpu::missing(&self.cpu) } else { Vec::new() };
        (!missing.is_empty()).then(|| {
            self.refusal(
                "needs another processor",
                format!("compiled for {}, which this processor lacks", missing.join(", ")),
                "instructions that this processor has",
                "build it for the oldest machine that it is to run on: without target-cpu=native,\n\
                 or with -C target-cpu=x86-64-v2 and the like",
            )
        })
    }

    fn judge_stack(&self) -> Option<Refusal> {
        self.links.has_executable_stack.then(|| {
            self.refusal(
                "asks for an executable stack",
                "a GNU_STACK header that is executable, or none",
                "a stack that holds no code: that of the whole process would",
                "link it with -Wl,-z,noexecstack, or end each assembly file with\n\
                 .section .note.GNU-stack,\"\",%progbits",
            )
        })
    }

    fn judge_relocations(&self) -> Option<Refusal> {
        self.links.has_text_relocations.then(|| {
            self.refusal(
                "has code that must be changed when it is opened",
                "text relocations (TEXTREL)",
                "code that can lie anywhere",
                "compile all of it with -fPIC (cc: the static libraries in it, too)",
            )
        })
    }

    /// Hazards that are no reason to refuse the file.
    pub(crate) fn find_hazards(&self) -> Vec<String> {
        let file = self.file.display();
        let tls = self.links.static_tls.map(|bytes| {
            format!(
                "{file} takes {bytes} bytes from the memory of each thread that glibc keeps for \
                 libraries opened late (initial-exec TLS): few such files can be opened in a \
                 process (remedy: jemalloc's feature disable_initial_exec_tls, mimalloc's \
                 local_dynamic_tls)"
            )
        });
        let unique = (self.links.unique_symbols > 0).then(|| {
            format!(
                "{file} shares static data of C++ templates and inline functions with all files \
                 that have data of these names, also of other versions (STB_GNU_UNIQUE: {} in all; \
                 remedy: link it with the version script of gopiper-abi, or compile it with \
                 -fno-gnu-unique)",
                self.links.unique_symbols
            )
        });
        tls.into_iter().chain(unique).collect()
    }
}
