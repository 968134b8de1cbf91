//! Who vouches for a file: signatures as minisign makes them.
use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use gopiper_core::loader::{self, Gate, Signature, Trust, Unsigned, trusted_key};
use minisign::KeyPair;

use crate::files::{Scratch, assert_in_few_words, variant};

fn keys() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().expect("keys")
}

fn trusted(keys: &KeyPair, unsigned: Option<Unsigned>) -> Trust {
    let key = trusted_key(&keys.pk.to_base64(), Path::new("")).expect("a key");
    Trust::new(unsigned, vec![key])
}

/// Signs the file as it is.
fn sign(file: &Path, keys: &KeyPair) {
    let bytes = Cursor::new(fs::read(file).expect("read"));
    let signature = minisign::sign(Some(&keys.pk), &keys.sk, bytes, Some("pass 0.1.0"), None);
    fs::write(signature_of(file), signature.expect("signed").to_string()).expect("written");
}

fn signature_of(file: &Path) -> PathBuf {
    format!("{}.minisig", file.display()).into()
}

#[track_caller]
fn refused(file: &Path, trust: &Trust) -> loader::Refusal {
    let refusal = loader::load(file, trust).expect_err("refused");
    assert_eq!(refusal.gate, Gate::Signature, "{refusal}");
    assert_in_few_words(&refusal.to_string(), file);
    refusal
}

#[test]
fn with_keys_only_files_signed_by_them_are_loaded() {
    let (scratch, author, other) = (Scratch::new(), keys(), keys());
    let file = scratch.sealed(&variant("pass"));
    let trust = trusted(&author, None);
    assert_eq!(refused(&file, &trust).problem, "is not signed by a trusted key");
    sign(&file, &other);
    assert!(refused(&file, &trust).found.starts_with("a signature by another key"));
    assert_eq!(loader::signature(&file, &trust).unwrap(), Signature::Unknown);
    sign(&file, &author);
    assert!(loader::load(&file, &trust).expect("loaded").warnings.is_empty());
    let words = loader::signature(&file, &trust).unwrap();
    assert_eq!(words, Signature::Trusted("pass 0.1.0".into()));
    // Of several keys any will do.
    let both = Trust { keys: [trusted(&other, None).keys, trust.keys].concat(), ..trust };
    loader::load(&file, &both).unwrap_or_else(|refusal| panic!("{refusal}"));
}

#[test]
fn a_signature_that_does_not_fit_is_refused_whatever_is_allowed() {
    let (scratch, author) = (Scratch::new(), keys());
    let file = scratch.sealed(&variant("pass"));
    let trust = trusted(&author, Some(Unsigned::Allow));
    loader::load(&file, &trust).unwrap_or_else(|refusal| panic!("{refusal}"));
    let signature = signature_of(&file);
    fs::write(&signature, "no signature\n").unwrap();
    assert_eq!(refused(&file, &trust).found, "not a minisign signature");
    // Nothing writes into it.
    fs::remove_file(&signature).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &signature, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(refused(&file, &trust).found, "not a minisign signature");
    fs::remove_file(&signature).unwrap();
    // One of the file as it was before.
    let unsealed = scratch.write("before.so", &fs::read(variant("pass")).unwrap());
    sign(&unsealed, &author);
    fs::rename(signature_of(&unsealed), &signature).unwrap();
    assert_eq!(refused(&file, &trust).found, "a signature of another file");
    // Other words in a signature of these bytes.
    sign(&file, &author);
    let text = fs::read_to_string(&signature).unwrap().replace("pass 0.1.0", "pass 9.9.9");
    fs::write(&signature, text).unwrap();
    assert_eq!(refused(&file, &trust).found, "a signature of another file");
}

#[test]
fn without_keys_the_operator_may_be_warned_or_have_nothing_unsigned() {
    let (scratch, author) = (Scratch::new(), keys());
    let file = scratch.sealed(&variant("pass"));
    let warned = loader::load(&file, &Trust::new(Some(Unsigned::Warn), Vec::new()));
    let warned = warned.expect("loaded").warnings;
    assert!(warned[0].contains("is not signed by a trusted key"), "{warned:?}");
    sign(&file, &author);
    refused(&file, &Trust::new(Some(Unsigned::Refuse), Vec::new()));
    loader::load(&file, &Trust::default()).unwrap_or_else(|refusal| panic!("{refusal}"));
}

#[test]
fn a_key_is_given_as_it_is_or_as_a_file() {
    let (scratch, author) = (Scratch::new(), keys());
    let key = author.pk.to_base64();
    let file = scratch.write("author.pub", author.pk.to_box().unwrap().to_string().as_bytes());
    let [given, read] = [key.as_str(), "author.pub"]
        .map(|given| trusted_key(given, file.parent().unwrap()).unwrap());
    assert_eq!(given.untrusted_comment(), None);
    assert!(read.untrusted_comment().is_some());
    let text = scratch.write("text.pub", b"no key");
    for (given, said) in [
        ("RWnonsense", "is not a minisign public key"),
        (text.to_str().unwrap(), "does not contain a minisign public key"),
    ] {
        let error = trusted_key(given, Path::new("")).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

/// Made by the tool itself: `minisign -G -W`, then `minisign -Sm`.
#[test]
fn a_signature_by_minisign_itself_is_accepted() {
    let scratch = Scratch::new();
    let file = scratch.write("signed.so", include_bytes!("minisign/signed.txt"));
    fs::write(signature_of(&file), include_str!("minisign/signed.txt.minisig")).unwrap();
    let key = trusted_key(include_str!("minisign/key.pub").lines().nth(1).unwrap(), Path::new(""));
    let trust = Trust::new(None, vec![key.unwrap()]);
    let signature = loader::signature(&file, &trust).unwrap();
    assert_eq!(signature, Signature::Trusted("made for gopiper's tests".into()));
}
