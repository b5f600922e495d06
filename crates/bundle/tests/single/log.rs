//! Proofs and checkpoints that do not lead to the statement.

use evidenced_bundle::merkle::leaf_hash;
use evidenced_bundle::note::{Checkpoint, KeyName, Note};
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::trust::{Purpose, Recomputed, Revocation};
use evidenced_bundle::{Check, Demand, Digest};

use crate::scene::{
    Bundle, DAYS, EVIDENCE, LOG, ROOT, THIEF, before_last, entry, last, later, leaves, log_key, missing,
    note, origin, proof, refusal, root, slot, verify,
};

fn good() -> LogProof {
    proof(&before_last(), &last().statement.render().unwrap(), LOG)
}

fn with(proof: &str) -> Bundle {
    let mut bundle = last();
    bundle.sidecars.proof = Some(proof.as_bytes().to_vec());
    bundle
}

fn with_checkpoint(checkpoint: &Checkpoint, signer: u8) -> Bundle {
    with(&LogProof { checkpoint: note(checkpoint, signer), ..good() }.render())
}

fn checkpoint() -> Checkpoint {
    good().checkpoint.open(&[log_key(LOG)]).unwrap().checkpoint
}

#[test]
fn the_proof_made_here_is_that_of_the_day() {
    assert_eq!(Some(good().render().into_bytes()), last().sidecars.proof);
    verify(&with(&good().render()), &ROOT, Demand::default()).unwrap();
}

#[test]
fn a_checkpoint_that_no_log_key_of_the_root_signed_is_refused() {
    for signer in [THIEF, EVIDENCE] {
        assert_eq!(refusal(&with_checkpoint(&checkpoint(), signer)), Check::Checkpoint, "key {signer}");
    }
    // A key of another log.
    let other = root(|document| document.keys[1].purpose = Purpose::Log(KeyName::new("elsewhere").unwrap()));
    assert_eq!(crate::scene::refusal_under(&last(), &other), Check::Checkpoint);
}

#[test]
fn note_bad_known_signature() {
    // A good line, and beside it one that claims the known key and is not its signature.
    let text = good().render();
    let other = Checkpoint { size: 9, ..checkpoint() };
    let line = note(&other, LOG).render().lines().last().unwrap().to_owned();
    assert_eq!(refusal(&with(&format!("{text}{line}\n"))), Check::Checkpoint);
}

#[test]
fn a_line_of_an_unknown_key_is_refused() {
    let text = good().render();
    let line = note(&checkpoint(), THIEF).render().lines().last().unwrap().to_owned();
    assert_eq!(refusal(&with(&format!("{text}{line}\n"))), Check::Checkpoint);
    let own = note(&checkpoint(), LOG).render().lines().last().unwrap().to_owned();
    assert_eq!(refusal(&with(&format!("{text}{own}\n"))), Check::Checkpoint, "a line twice");
    // Two log keys of one origin, as in a quarter of rotation.
    let two = root(|document| document.keys.push(entry(THIEF, Purpose::Log(origin()), "log-b.pub.pem")));
    verify(&with(&format!("{text}{line}\n")), &two, Demand::default()).unwrap();
}

#[test]
fn a_checkpoint_of_another_size_root_or_origin_is_refused() {
    let good = checkpoint();
    let other = Digest::of(b"other");
    for size in [0, 1, 2, 4, u64::MAX] {
        assert_eq!(
            refusal(&with_checkpoint(&Checkpoint { size, ..good.clone() }, LOG)),
            Check::Checkpoint,
            "{size}"
        );
    }
    assert_eq!(refusal(&with_checkpoint(&Checkpoint { root: other, ..good.clone() }, LOG)), Check::Inclusion);
    let elsewhere = Checkpoint { origin: KeyName::new("elsewhere").unwrap(), ..good };
    assert_eq!(refusal(&with_checkpoint(&elsewhere, LOG)), Check::Checkpoint);
    let both = root(|document| {
        document.keys.push(entry(THIEF, Purpose::Log(KeyName::new("elsewhere").unwrap()), "log-b.pub.pem"));
    });
    assert_eq!(
        crate::scene::refusal_under(&with_checkpoint(&elsewhere, THIEF), &both),
        Check::Checkpoint,
        "of another log of the same trust root"
    );
}

#[test]
fn tlog_hostile_args() {
    let proof = good();
    let text = proof.render();
    for index in ["0", "1", "3", "4294967296", "18446744073709551615"] {
        assert_eq!(
            refusal(&with(&text.replace("index 2", &format!("index {index}")))),
            Check::LogProof,
            "{index}"
        );
    }
    for index in ["-1", "02", "18446744073709551616", "2 ", "x", ""] {
        assert_eq!(
            refusal(&with(&text.replace("index 2", &format!("index {index}")))),
            Check::LogProof,
            "{index}"
        );
    }
    let hashes = |hashes: Vec<Digest>| refusal(&with(&LogProof { hashes, ..proof.clone() }.render()));
    let one = leaf_hash(b"x");
    assert_eq!(hashes(Vec::new()), Check::Inclusion);
    assert_eq!(hashes(vec![one]), Check::Inclusion);
    assert_eq!(hashes([proof.hashes.clone(), vec![one]].concat()), Check::Inclusion);
    assert_eq!(hashes(vec![one; 64]), Check::Inclusion);
    assert_eq!(hashes(vec![one; 65]), Check::LogProof);
    assert_eq!(hashes(vec![one; 100_000]), Check::LogProof);
    for (what, forged) in [
        ("a carriage return", text.replace('\n', "\r\n")),
        ("an extra line", text.replace("index 2\n", "index 2\nextra AAAA\n")),
        ("another version", text.replace("@v1", "@v2")),
        ("no checkpoint", text.split("\n\n").next().unwrap().to_owned()),
        ("an extension line", text.replacen("\n3\n", "\n3\nextension\n", 1)),
        ("a leading zero", text.replacen("\n3\n", "\n03\n", 1)),
        ("nothing", String::new()),
        ("too long", format!("{text}{}", "\n".repeat(1 << 18))),
    ] {
        assert_ne!(forged, text, "{what}");
        let check = refusal(&with(&forged));
        assert!(matches!(check, Check::LogProof | Check::Checkpoint), "{what}: {check}");
    }
}

#[test]
fn a_leaf_at_another_place_is_refused() {
    // The statement says 2; the proof is a good one of another leaf at 2, and of this leaf at 1.
    let other = proof(&before_last(), b"another leaf", LOG);
    assert_eq!(refusal(&with(&other.render())), Check::Inclusion);
    let leaf = last().statement.render().unwrap();
    assert_eq!(refusal(&with(&proof(&leaves(&DAYS[..1]), &leaf, LOG).render())), Check::LogProof);
}

#[test]
fn a_revoked_log_key_counts_when_the_log_was_recomputed() {
    let revoked = root(|document| {
        document.keys[1].revoked = Some(Revocation { at: later(slot(5), 0), reason: "stolen".to_owned() });
    });
    assert_eq!(missing(verify(&last(), &revoked, Demand::default())), Check::Checkpoint);
    let recomputed = Demand { log: Recomputed::MatchesUnrevoked, ..Demand::default() };
    verify(&last(), &revoked, recomputed).unwrap();
    // Signed by the new key too, it counts by itself.
    let renewed = root(|document| {
        document.keys[1].revoked = Some(Revocation { at: later(slot(5), 0), reason: "stolen".to_owned() });
        document.keys.push(entry(THIEF, Purpose::Log(origin()), "log-b.pub.pem"));
    });
    let line = note(&checkpoint(), THIEF).render().lines().last().unwrap().to_owned();
    let both = Note::parse(format!("{}{line}\n", good().checkpoint.render()).as_bytes()).unwrap();
    verify(&with(&LogProof { checkpoint: both, ..good() }.render()), &renewed, Demand::default()).unwrap();
}
