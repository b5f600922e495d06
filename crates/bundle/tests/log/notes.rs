//! Notes: what refuses them, and that `signed_note` agrees.

use evidenced_bundle::note::{KeyName, Note, NoteError, NoteKey};
use signed_note::{StandardVerifier, VerifierList};

use crate::common::{bundles, changed, key, log_key, origin, text};

fn checkpoint() -> String {
    text(&bundles()[2], "checkpoint").to_owned()
}

fn refused(note: &str) -> NoteError {
    Note::parse(note.as_bytes()).and_then(|note| note.open(&[log_key()])).unwrap_err()
}

fn oracle_accepts(note: &[u8], keys: &[NoteKey]) -> bool {
    let known = keys.iter().map(|key| {
        let verifier: Box<dyn signed_note::Verifier> = Box::new(StandardVerifier::new(&key.vkey()).unwrap());
        verifier
    });
    let known = VerifierList::new(known.collect());
    signed_note::Note::from_bytes(note).is_ok_and(|note| note.verify(&known).is_ok())
}

#[test]
fn the_oracle_reads_our_note_and_we_read_it_with_a_second_line() {
    let note = checkpoint();
    assert!(oracle_accepts(note.as_bytes(), &[log_key()]));
    // A log key that rotates: both keys sign under one origin.
    let next = NoteKey::log(origin(), key(9).public().clone());
    let (body, _) = note.rsplit_once("\n\n").unwrap();
    let body = format!("{body}\n");
    let line = next.line(&body, &key(9).sign(body.as_bytes()).unwrap()).unwrap();
    let both = format!("{note}{line}");
    assert!(oracle_accepts(both.as_bytes(), &[log_key(), next.clone()]));
    let both = Note::parse(both.as_bytes()).unwrap();
    let opened = both.open(&[log_key(), next.clone()]).unwrap();
    assert_eq!((opened.log_keys.len(), opened.ignored), (2, 0));
    for known in [log_key(), next] {
        let opened = both.open(std::slice::from_ref(&known)).unwrap();
        assert_eq!((opened.log_keys, opened.ignored), (vec![known.public().clone()], 1));
    }
    assert!(log_key().line(&body, &[0; 64]).is_none(), "a signature that does not verify makes no line");
}

#[test]
fn note_bad_known_signature() {
    let note = checkpoint();
    let (body, good) = note.rsplit_once("\n\n").unwrap();
    let other = text(&bundles()[1], "checkpoint").to_owned();
    let bad = other.rsplit_once("\n\n").unwrap().1;
    // A known name with a bad signature, before or behind a good one: all of it is refused.
    for lines in [format!("{good}{bad}"), format!("{bad}{good}"), bad.to_owned()] {
        let forged = format!("{body}\n\n{lines}");
        assert_eq!(refused(&forged), NoteError::BadSignature { name: origin().to_string() });
    }
    // An unknown key beside a good one is ignored, alone it is nothing.
    let unknown = NoteKey::log(KeyName::new("elsewhere").unwrap(), key(9).public().clone());
    let text = format!("{body}\n");
    let line = unknown.line(&text, &key(9).sign(text.as_bytes()).unwrap()).unwrap();
    let beside = Note::parse(format!("{note}{line}").as_bytes()).unwrap();
    assert_eq!(beside.open(&[log_key()]).unwrap().ignored, 1);
    let not_signed = NoteError::NotSigned { origin: origin().to_string() };
    assert_eq!(refused(&format!("{body}\n\n{line}")), not_signed);
    // The key of another log signs nothing here, however well it is known.
    let note = Note::parse(format!("{body}\n\n{line}").as_bytes()).unwrap();
    assert_eq!(note.open(&[unknown, log_key()]), Err(not_signed));
}

#[test]
fn every_changed_byte_and_every_cut_of_a_checkpoint_is_refused() {
    let note = checkpoint();
    for other in changed(note.as_bytes()) {
        let opened = Note::parse(&other).and_then(|note| note.open(&[log_key()]));
        assert!(opened.is_err(), "{:?}", String::from_utf8_lossy(&other));
    }
}

#[test]
fn hostile_notes_are_refused() {
    let note = checkpoint();
    let (body, line) = note.rsplit_once("\n\n").unwrap();
    let root = body.rsplit_once('\n').unwrap().1;
    for forged in [
        note.replace('\n', "\r\n"),
        note.replace("\n3\n", "\n03\n"),
        note.replace("\n3\n", "\n+3\n"),
        note.replace("\n3\n", "\n18446744073709551616\n"),
        note.replace("\n3\n", "\n18446744073709551615\n"),
        note.replace("\n3\n", "\n0\n"),
        format!("{body}\nextension\n\n{line}"),
        format!("{body}\n\n\n{line}"),
        format!("{body}\n\n{line}\n"),
        format!("{body}\n\n"),
        format!("\n\n{line}"),
        format!("{note}\u{2014} a b\n"),
        format!("{note}\u{2014} a+b AAAAAAA=\n"),
        format!("{note}\u{2014}  AAAAAAA=\n"),
        format!("{note}- a AAAAAAA=\n"),
        format!("{note}{}", "\u{2014} a AAAAAAA=\n".repeat(32)),
        note.replace(root, &root.replace('/', "_").replace('+', "-")),
        note.replace(root, &root.replace('=', "")),
        note.replace(ORIGIN_LINE, "evidence.example.com/other\n"),
        String::new(),
        "\n".repeat(70_000),
    ] {
        if forged != note {
            refused(&forged);
        }
    }
    assert!(Note::parse(&[0xff, b'\n', b'\n']).is_err());
}

const ORIGIN_LINE: &str = "evidence.example.com/demo\n";

#[test]
fn two_checkpoints_same_size_differ() {
    use evidenced_bundle::note::Checkpoint;
    // A log that shows two roots for one size has signed its own conviction: both notes open, and they differ.
    let honest = Note::parse(checkpoint().as_bytes()).unwrap().open(&[log_key()]).unwrap().checkpoint;
    let fork = Checkpoint { root: evidenced_bundle::Digest::of(b"fork"), ..honest.clone() };
    let signed = fork.sign(&log_key(), &key(2).sign(fork.body().as_bytes()).unwrap()).unwrap();
    let opened = Note::parse(signed.as_bytes()).unwrap().open(&[log_key()]).unwrap().checkpoint;
    assert_eq!(opened.size, honest.size);
    assert_ne!(opened, honest);
}
