//! Puts the digest into a component file's note.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::file::PrivateCopy;
use super::inspection::{Inspection, Seal};
use super::refusal::{Gate, Refusal};

/// Seals a component file: writes the BLAKE3 of the file into its note, and returns it.
///
/// From then on the file is refused if any byte changes. You may seal a file for another machine. A
/// file with a valid seal stays untouched. A file that was changed after it was sealed is sealed
/// with its present contents, so seal only files that you know to be correct.
pub fn seal(path: &Path) -> Result<[u8; 32], Refusal> {
    let mut bytes = PrivateCopy::of(path)?.bytes().to_vec();
    let inspection = Inspection::of(path, &bytes)?;
    if inspection.seal != Seal::Fits {
        bytes[inspection.digest_at].copy_from_slice(&inspection.digest);
        replace(path, &bytes).map_err(|error| {
            Refusal::new(
                path,
                Gate::File,
                "cannot be sealed",
                error.to_string(),
                "a file and a directory that this user can write to",
                "seal a copy in a directory of your own",
            )
        })?;
    }
    Ok(inspection.digest)
}

/// Replaces the file by `bytes`: all of them or, whatever happens, none.
///
/// Writing into the file itself would kill every process that has it open as a library.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link remains: its target is replaced.
    let path = fs::canonicalize(path)?;
    let directory = path.parent().expect("a canonical path of a file has a parent");
    let mut aside = tempfile::Builder::new().prefix(".gopiper-seal-").tempfile_in(directory)?;
    aside.write_all(bytes)?;
    aside.as_file().set_permissions(fs::metadata(&path)?.permissions())?;
    aside.as_file().sync_all()?;
    aside.persist(&path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use gopiper_abi::raw::NoteDescription;

    use super::*;
    use crate::loader::tests::{Forged, real_library};
    use crate::loader::{Trust, inspect, load};

    #[test]
    fn sealing_keeps_the_file_and_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let forged = Forged::new();
        let path = forged.write(dir.path());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o751)).unwrap();
        let link = dir.path().join("link.so");
        symlink("forged.so", &link).unwrap();

        let digest = seal(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o751);
        let mut expected = forged.bytes.clone();
        let at = forged.note_at + offset_of!(NoteDescription, digest);
        expected[at..at + 32].copy_from_slice(&digest);
        assert!(fs::read(&path).unwrap() == expected, "only the digest has changed");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");
        let inspection = inspect(&path).unwrap();
        assert_eq!((inspection.seal, inspection.digest), (Seal::Fits, digest));

        // Sealed again: the same digest, and the file is not touched.
        let inode = fs::metadata(&path).unwrap().ino();
        assert_eq!(seal(&path).unwrap(), digest);
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    }

    #[test]
    fn a_file_that_changed_after_sealing_is_refused_until_sealed_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut forged = Forged::new();
        let path = forged.seal_in(dir.path());
        let middle = forged.bytes.len() / 2;
        forged.bytes[middle] ^= 1;
        forged.write(dir.path());
        assert_eq!(forged.verdicts(), ["was changed after it was sealed"]);
        let refusal = load(&path, &Trust::default()).unwrap_err();
        assert_eq!(refusal.gate, Gate::Note);
        seal(&path).unwrap();
        assert_eq!(inspect(&path).unwrap().verdicts, []);
    }

    #[test]
    fn the_remedy_of_a_broken_seal_can_be_pasted() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("it's here");
        fs::create_dir(&dir).unwrap();
        let mut forged = Forged::new();
        let path = forged.seal_in(&dir);
        let middle = forged.bytes.len() / 2;
        forged.bytes[middle] ^= 1;
        forged.write(&dir);
        let remedy = load(&path, &Trust::default()).unwrap_err().remedy;
        let quoted = path.display().to_string().replace('\'', r"'\''");
        let (text, command) = remedy.rsplit_once('\n').unwrap();
        assert_eq!(command, format!("gopiper verify --seal '{quoted}'"));
        assert!(text.contains("--attributes"), "{text}");
    }

    #[test]
    fn files_that_are_not_components_are_not_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("libgcc_s.so");
        fs::write(&path, real_library()).unwrap();
        assert_eq!(seal(&path).unwrap_err().found, "no .note.gopiper section");
        assert!(fs::read(&path).unwrap() == real_library());
    }
}
