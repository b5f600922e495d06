//! Byte for byte: statements, envelopes, notes, proofs and signatures that share no code with this crate.

use evidenced_bundle::Digest;
use evidenced_bundle::dsse;
use evidenced_bundle::merkle::{Leaves, consistency, inclusion, leaf_hash, root, verify_consistency};
use evidenced_bundle::note::{Checkpoint, KeyName, Note, NoteKey};
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::sshsig::{self, Sha512Digest, SshSig, allowed_signers};
use evidenced_bundle::statement::Statement;

use crate::common::{ORIGIN, base64, bundles, hash, key, log_key, origin, text, vectors};

#[test]
fn statements_are_read_and_written_as_they_are() {
    let mut previous = None;
    for (index, vector) in bundles().iter().enumerate() {
        let bytes = text(vector, "statement").as_bytes();
        let statement = Statement::parse(bytes).unwrap();
        assert_eq!(statement.render().unwrap(), bytes);
        assert_eq!(statement.snapshot.id.to_string(), text(vector, "id"));
        assert_eq!(statement.snapshot.zip_sha256.to_string(), text(vector, "zip_sha256"));
        assert_eq!((usize::try_from(statement.index).unwrap(), statement.previous), (index, previous));
        assert_eq!(statement.origin.as_str(), ORIGIN);
        previous = Some(Digest::of(bytes));
        assert_eq!(previous.unwrap().to_string(), text(vector, "statement_sha256"));
        assert_eq!(
            dsse::message(bytes).unwrap().len(),
            usize::try_from(vector["pae_bytes"].as_u64().unwrap()).unwrap()
        );
    }
}

#[test]
fn a_statement_with_every_member_is_read_back() {
    let mut statement = Statement::parse(text(&bundles()[1], "statement").as_bytes()).unwrap();
    statement.snapshot.image_sha256 = Some(Digest::of(b"image"));
    let bytes = statement.render().unwrap();
    assert_eq!(Statement::parse(&bytes).unwrap(), statement);
    let sorted: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(sorted.to_string().as_bytes(), bytes, "keys are sorted and nothing is between them");
    statement.snapshot.policies_sha256 = None;
    assert_eq!(Statement::parse(&statement.render().unwrap()).unwrap(), statement);
}

#[test]
fn envelopes_are_read_and_written_as_they_are() {
    for vector in bundles() {
        let statement = text(&vector, "statement").as_bytes();
        let signature = key(1).sign(&dsse::message(statement).unwrap()).unwrap();
        assert_eq!(signature.to_vec(), base64(text(&vector, "dsse_sig")));
        let mut envelope = Envelope {
            key_id: *key(1).public().id(),
            payload: statement.to_vec(),
            signature,
            tokens: Vec::new(),
        };
        let file = text(&vector, "sigstore_json_without_token");
        assert_eq!(envelope.render(), file);
        assert_eq!(Envelope::parse(file.as_bytes()).unwrap(), envelope);
        assert_eq!(envelope.verify(key(1).public()).unwrap(), Statement::parse(statement).unwrap());
        envelope.tokens = vec![b"first".to_vec(), b"second".to_vec()];
        assert_eq!(Envelope::parse(envelope.render().as_bytes()).unwrap(), envelope);
    }
}

#[test]
fn ssh_signatures_are_read_and_written_as_they_are() {
    for vector in bundles() {
        let sha512 = Sha512Digest::of(&base64(text(&vector, "zip_base64")));
        let signature = key(1).sign(&sshsig::message(&sha512)).unwrap();
        let sidecar = SshSig::new(key(1).public(), signature);
        assert_eq!(sidecar.render(), text(&vector, "sshsig"));
        assert_eq!(SshSig::parse(text(&vector, "sshsig").as_bytes()).unwrap(), sidecar);
        sidecar.verify(key(1).public(), &sha512).unwrap();
        assert!(sidecar.verify(key(2).public(), &sha512).is_err());
        assert!(sidecar.verify(key(1).public(), &Sha512Digest::of(b"another zip")).is_err());
    }
    let vectors = vectors();
    let line = allowed_signers(&origin(), key(1).public(), None, None);
    assert_eq!(line, text(&vectors["evidence_key"], "allowed_signers"));
}

#[test]
fn checkpoints_and_proofs_are_made_and_read_as_they_are() {
    let vectors = bundles();
    let leaves: Vec<_> =
        vectors.iter().map(|vector| leaf_hash(text(vector, "statement").as_bytes())).collect();
    for (size, vector) in (1_u64..).zip(&vectors) {
        assert_eq!(leaves[usize::try_from(size).unwrap() - 1], hash(text(vector, "leaf_hash")));
        let root = root(&mut Leaves(&leaves), size).unwrap();
        let checkpoint = Checkpoint { origin: origin(), size, root };
        let signature = key(2).sign(checkpoint.body().as_bytes()).unwrap();
        let note = checkpoint.sign(&log_key(), &signature).unwrap();
        assert_eq!(note, text(vector, "checkpoint"));
        let note = Note::parse(note.as_bytes()).unwrap();
        let opened = note.open(&[log_key()]).unwrap();
        assert_eq!((opened.checkpoint, opened.ignored), (checkpoint, 0));

        let hashes = inclusion(&mut Leaves(&leaves), size - 1, size).unwrap();
        let proof = LogProof { index: size - 1, hashes, checkpoint: note };
        assert_eq!(proof.render(), text(vector, "tlog_proof"));
        let read = LogProof::parse(text(vector, "tlog_proof").as_bytes()).unwrap();
        assert_eq!(read, proof);
        read.verify(text(vector, "statement").as_bytes(), &[log_key()]).unwrap();
    }
}

#[test]
fn verifier_keys_are_read_and_written_as_they_are() {
    let vkey = text(&vectors()["log_key"], "vkey").to_owned();
    assert_eq!(log_key().vkey(), vkey);
    assert_eq!(NoteKey::parse_vkey(&vkey).unwrap(), log_key());
    assert_eq!(NoteKey::parse_vkey(&vkey.replace("+4982", "+4983")), None);
    assert_eq!(NoteKey::parse_vkey(&vkey.replace("example", "elsewhere")), None);
}

#[test]
fn roots_by_size_are_those_of_the_vectors() {
    let vectors = vectors();
    let leaves: Vec<_> = (0..513).map(|number| leaf_hash(format!("leaf-{number}").as_bytes())).collect();
    let by_size = vectors["roots"]["by_size"].as_object().unwrap();
    assert_eq!(by_size.len(), 13);
    for (size, expected) in by_size {
        let size = size.parse().unwrap();
        let found = root(&mut Leaves(&leaves), size).unwrap();
        assert_eq!(found, hash(expected.as_str().unwrap()), "{size}");
        let proof = consistency(&mut Leaves(&leaves), size, 513).unwrap();
        let whole = root(&mut Leaves(&leaves), 513).unwrap();
        verify_consistency(size, 513, &found, &whole, &proof).unwrap();
    }
}

#[test]
fn a_witness_cosigns_the_checkpoint_of_the_vectors() {
    let vectors = vectors();
    let witness = &vectors["witness"];
    let name = KeyName::new(text(witness, "name")).unwrap();
    let known = NoteKey::witness(name.clone(), key(3).public().clone());
    let line = text(witness, "cosignature_line");
    let note = format!("{}{line}", text(&bundles()[2], "checkpoint"));
    let note = Note::parse(note.as_bytes()).unwrap();
    let opened = note.open(&[log_key(), known.clone()]).unwrap();
    assert_eq!(opened.cosignatures, [(name, witness["time"].as_u64().unwrap())]);
    assert_eq!(note.open(&[log_key()]).unwrap().ignored, 1);
    assert!(note.open(std::slice::from_ref(&known)).is_err(), "a witness alone is no log");
    // On another checkpoint the same line of a known witness refuses all of it.
    let other = format!("{}{line}", text(&bundles()[1], "checkpoint"));
    assert!(Note::parse(other.as_bytes()).unwrap().open(&[log_key(), known]).is_err());
}
