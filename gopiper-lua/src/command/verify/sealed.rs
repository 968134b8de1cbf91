//! The sealed copy that is tested with `--seal`: the file itself is sealed once all has passed.
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use gopiper_core::loader::{self, Refusal};

/// A copy of a component's file, sealed, in a folder of the scratch folder with links to all files
/// beside it: to its signature, and to libraries of its own.
pub(super) struct SealedCopy {
    path: PathBuf,
    file: PathBuf,
    digest: [u8; 32],
}

impl SealedCopy {
    /// # Errors
    /// The copy cannot be written; or (the inner error) it is refused.
    pub(super) fn of(file: &Path, scratch: &Path) -> io::Result<Result<Self, Refusal>> {
        // A file that cannot be read is refused by its own name.
        if let Err(refusal) = loader::inspect(file) {
            return Ok(Err(refusal));
        }
        let folder = scratch.join("sealed");
        fs::create_dir(&folder)?;
        let path = folder.join(file.file_name().unwrap_or_default());
        fs::copy(file, &path)?;
        let beside = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        for entry in fs::read_dir(fs::canonicalize(beside.unwrap_or(Path::new(".")))?)? {
            let entry = entry?;
            let link = folder.join(entry.file_name());
            if link != path {
                symlink(entry.path(), link)?;
            }
        }
        let copy = SealedCopy { path, file: file.to_owned(), digest: [0; 32] };
        let sealed = loader::seal(&copy.path).map_err(|refusal| copy.named(refusal));
        Ok(sealed.map(|digest| SealedCopy { digest, ..copy }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The refusal of the copy, as one of the file.
    pub(super) fn named(&self, mut refusal: Refusal) -> Refusal {
        refusal.file.clone_from(&self.file);
        for text in [&mut refusal.found, &mut refusal.wanted, &mut refusal.remedy] {
            *text = self.named_in(text);
        }
        refusal
    }

    /// The text, about the file instead of the copy.
    pub(super) fn named_in(&self, text: &str) -> String {
        text.replace(&self.path.display().to_string(), &self.file.display().to_string())
    }

    /// Seals the file. Returns whether it is still the one that was tested.
    pub(super) fn seal(&self) -> Result<bool, Refusal> {
        if loader::inspect(&self.file)?.digest != self.digest {
            return Ok(false);
        }
        Ok(loader::seal(&self.file)? == self.digest)
    }
}
