//! Statements that are not about the zip, or not signed by whom they name.

use evidenced_bundle::{Check, Demand, Digest, Sidecars};
use serde_json::json;

use crate::scene::{
    Bundle, DAYS, EVIDENCE, LOG, ROOT, THIEF, attested, before_last, envelope, id, key, last, later, missing,
    payload, proof, public_key, refusal, refusal_under, seal, slot, verify,
};

/// Three ways to bring a zip that was changed: as it is, with a statement about it that the key did not sign (under
/// its name, and under a key of the forger's), and alone.
fn three_ways(changed: &Bundle) -> [Check; 4] {
    let mut statement = changed.statement.clone();
    statement.snapshot.zip_sha256 = Digest::of(&changed.zip);
    let leaf = statement.render().unwrap();
    let mut made = envelope(&leaf, &key(THIEF), Vec::new());
    let with = |made: &evidenced_bundle::sigstore::Envelope| {
        let sidecars = Sidecars {
            sigstore: Some(made.render().into_bytes()),
            proof: Some(proof(&before_last(), &leaf, THIEF).render().into_bytes()),
            ..changed.sidecars.clone()
        };
        refusal(&Bundle { sidecars, ..changed.clone() })
    };
    let own = with(&made);
    made.key_id = *key(EVIDENCE).public().id();
    let lone = Bundle { sidecars: Sidecars::default(), ..changed.clone() };
    [refusal(changed), own, with(&made), refusal_under(&lone, &public_key())]
}

#[test]
fn a_changed_zip_is_refused_by_its_digest_whatever_was_changed() {
    let good = last();
    let signature = Check::StatementSignature;
    // In the stored bytes of a file, in a header, behind the end.
    let end = good.zip.len();
    let suffix = Bundle { zip: [&good.zip[..], b"x"].concat(), ..good.clone() };
    assert_eq!(three_ways(&suffix), [Check::ZipDigest, signature, signature, Check::ZipEnd]);
    let mut header = good.clone();
    header.zip[10] ^= 1;
    assert_eq!(three_ways(&header), [Check::ZipDigest, signature, signature, Check::ZipHeaders]);
    let mut name = good.clone();
    name.zip[end - 30] ^= 1;
    let [first, second, third, _] = three_ways(&name);
    assert_eq!([first, second, third], [Check::ZipDigest, signature, signature]);
}

#[test]
fn a_bag_made_again_by_somebody_else_is_refused() {
    let mut files = payload(&id(2));
    files.get_mut("data/plan.json").unwrap()["accounts"][0]["name"] = json!("other");
    let (snapshot, zip) = seal(&id(2), &files, &key(THIEF));
    let forged = attested(snapshot, zip, &before_last(), &key(THIEF));
    assert_eq!(refusal(&forged), Check::StatementSignature);
    let old_sidecars = Bundle { sidecars: last().sidecars, ..forged.clone() };
    assert_eq!(
        three_ways(&old_sidecars),
        [Check::ZipDigest, Check::StatementSignature, Check::StatementSignature, Check::Signature]
    );
}

#[test]
fn swap_sidecars() {
    let [one, two] = [&DAYS[1], &DAYS[2]];
    let all = Bundle { sidecars: one.sidecars.clone(), ..two.clone() };
    assert_eq!(refusal(&all), Check::Statement);
    let with = |change: &dyn Fn(&mut Sidecars, &Sidecars)| {
        let mut swapped = two.clone();
        change(&mut swapped.sidecars, &one.sidecars);
        refusal(&swapped)
    };
    // The timestamp is judged before the name, and is over the zip that the statement names.
    assert_eq!(with(&|mine, other| mine.sigstore.clone_from(&other.sigstore)), Check::Tokens);
    assert_eq!(with(&|mine, other| mine.tsr.clone_from(&other.tsr)), Check::Tokens);
    assert_eq!(with(&|mine, other| mine.proof.clone_from(&other.proof)), Check::LogProof);
    assert_eq!(with(&|mine, other| mine.sshsig.clone_from(&other.sshsig)), Check::SshSignature);
}

#[test]
fn replay_previous_day() {
    // Yesterday's good files under today's name: as they are, with today's statement, with a statement re-made, alone.
    let replayed = Bundle { name: DAYS[2].name.clone(), ..DAYS[1].clone() };
    assert_eq!(refusal(&replayed), Check::Statement);
    let mixed = Bundle { sidecars: DAYS[2].sidecars.clone(), ..replayed.clone() };
    assert_eq!(refusal(&mixed), Check::ZipDigest);
    let today = Bundle { statement: DAYS[2].statement.clone(), ..mixed };
    assert_eq!(
        three_ways(&today),
        [Check::ZipDigest, Check::StatementSignature, Check::StatementSignature, Check::BagName]
    );
}

#[test]
fn a_statement_signed_about_another_bag_or_run_is_refused() {
    // Whoever has the key still cannot say one thing in the statement and another in the zip.
    let say = |change: &dyn Fn(&mut evidenced_bundle::statement::Snapshot)| {
        let mut snapshot = last().statement.snapshot;
        change(&mut snapshot);
        let forged = attested(snapshot, last().zip, &before_last(), &key(EVIDENCE));
        refusal(&Bundle { name: last().name, ..forged })
    };
    let other = Digest::of(b"other");
    assert_eq!(say(&|snapshot| snapshot.zip_sha256 = other), Check::Tokens);
    assert_eq!(say(&|snapshot| snapshot.id = id(1)), Check::Statement);
    assert_eq!(say(&|snapshot| snapshot.tagmanifest_sha256 = other), Check::StatedManifest);
    assert_eq!(say(&|snapshot| snapshot.config_sha256 = other), Check::RunStatement);
    assert_eq!(say(&|snapshot| snapshot.policies_sha256 = None), Check::RunStatement);
    assert_eq!(say(&|snapshot| snapshot.version = "0.2.0".to_owned()), Check::RunStatement);
    assert_eq!(say(&|snapshot| snapshot.schedule = "0 3 * * *".to_owned()), Check::RunStatement);
    assert_eq!(say(&|snapshot| snapshot.accounts = 2), Check::RunStatement);
    assert_eq!(say(&|snapshot| snapshot.regions = 2), Check::RunStatement);
    assert_eq!(say(&|snapshot| snapshot.ended = later(slot(2), 13)), Check::RunStatement);
    assert_eq!(say(&|snapshot| snapshot.started = later(slot(2), 2)), Check::RunStatement);
    let partial = evidenced_bundle::run::RunStatus::Partial;
    assert_eq!(say(&|snapshot| snapshot.status = partial), Check::RunStatement);
}

#[test]
fn what_needs_a_sidecar_cannot_be_told_without_it() {
    type Change = fn(&mut Sidecars);
    let changes: [(Change, Check); 5] = [
        (|sidecars| sidecars.sigstore = None, Check::StatementForm),
        (|sidecars| sidecars.tsr = None, Check::Tokens),
        (|sidecars| sidecars.proof = None, Check::LogProof),
        (|sidecars| sidecars.sshsig = None, Check::SshSignature),
        (|sidecars| *sidecars = Sidecars::default(), Check::StatementForm),
    ];
    for (change, check) in changes {
        let mut less = last();
        change(&mut less.sidecars);
        assert_eq!(missing(verify(&less, &ROOT, Demand::default())), check);
        // Under a public key a lone zip is signed, and what is beside it is held to the key.
        verify(&less, &public_key(), Demand::default()).unwrap();
    }
}

#[test]
fn sidecars_are_held_to_a_public_key_too() {
    let [one, two] = [&DAYS[1], &DAYS[2]];
    verify(two, &public_key(), Demand::default()).unwrap();
    let all = Bundle { sidecars: one.sidecars.clone(), ..two.clone() };
    assert_eq!(refusal_under(&all, &public_key()), Check::Statement);
    let mut ssh = two.clone();
    ssh.sidecars.sshsig.clone_from(&one.sidecars.sshsig);
    assert_eq!(refusal_under(&ssh, &public_key()), Check::SshSignature);
    let mut stranger = two.clone();
    let leaf = two.statement.render().unwrap();
    stranger.sidecars.sigstore = Some(envelope(&leaf, &key(LOG), Vec::new()).render().into_bytes());
    assert_eq!(refusal_under(&stranger, &public_key()), Check::StatementSignature);
    let mut changed = two.clone();
    changed.zip.push(0);
    assert_eq!(refusal_under(&changed, &public_key()), Check::ZipDigest);
    // Date and place in the log need a trust root: they are not looked at, and the report says so.
    let mut untold = two.clone();
    untold.sidecars.tsr = Some(b"no token".to_vec());
    untold.sidecars.proof = Some(b"no proof".to_vec());
    verify(&untold, &public_key(), Demand::default()).unwrap();
}
