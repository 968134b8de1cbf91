//! The name that no other component has. The identities of messages begin with it, so it is on disk
//! before the first message is sent.
use std::{fs, io, path::Path};

use super::write_whole;
use crate::base::random::{DIGITS, random_name};

/// The file in a component's folder.
pub(super) const FILE: &str = "origin";

/// The name in this folder; it is made now if there is none.
pub(super) fn of(folder: &Path) -> io::Result<String> {
    let file = folder.join(FILE);
    match fs::read_to_string(&file) {
        Ok(text) => parse(&text).ok_or_else(|| {
            let error = "it does not contain a name of 16 hexadecimal digits; if it is lost, remove \
                         the file: messages then get other identities, and those under way may \
                         come twice";
            io::Error::new(io::ErrorKind::InvalidData, error)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = random_name();
            write_whole(&file, format!("{name}\n").as_bytes())?;
            Ok(name)
        }
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Option<String> {
    let name = text.strip_suffix('\n')?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    (name.len() == DIGITS && name.bytes().all(is_digit)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_a_damaged_one_is_refused() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| of(folder.path()).unwrap());
        assert_ne!(one, other);
        assert_eq!(of(folders[0].path()).unwrap(), one);
        for damaged in ["", "\n", "0123456789abcdef", "0123456789ABCDEF\n", "0123456789abcde\n"] {
            fs::write(folders[0].path().join(FILE), damaged).unwrap();
            let error = of(folders[0].path()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{damaged:?}");
        }
    }
}
