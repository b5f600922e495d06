//! Tokens that prove nothing, each refused for its own reason.

use evidenced_bundle::Digest;
use evidenced_bundle::timestamp::{Nonce, RESPONSE_BYTES, TimestampError, request, verify};

use crate::tsa::{AS_TSA, KINDS, ONE, OTHER, Tsa, info, nonce, sequence};

const DATA: &[u8] = b"what is dated";

fn refusal(answer: &[u8]) -> TimestampError {
    verify(answer, &Digest::of(DATA), Some(&nonce()), &ONE.pinned()).unwrap_err()
}

/// A good answer with another `TSTInfo` in it, made of the good one.
fn forged(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    ONE.forge(&change(info(&ONE.date(DATA))), "good", AS_TSA)
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn tsa_forging_without_a_change_is_accepted() {
    // The ground of the tests below: what they refuse, they refuse for the change.
    verify(&forged(|info| info), &Digest::of(DATA), Some(&nonce()), &ONE.pinned()).unwrap();
}

#[test]
fn tsa_token_over_other_data_is_refused() {
    assert!(matches!(refusal(&ONE.date(b"something else")), TimestampError::Imprint { .. }));
}

#[test]
fn tsa_imprint_by_another_algorithm_is_refused() {
    let sha_256 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    let sm3_length = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 8];
    let answer = forged(|info| replaced(&info, &sha_256, &sm3_length));
    assert!(matches!(refusal(&answer), TimestampError::Imprint { .. }));
}

#[test]
fn tsa_token_of_another_root_with_the_same_name_is_refused() {
    assert!(matches!(refusal(&OTHER.date(DATA)), TimestampError::Chain { .. }));
}

#[test]
fn tsa_token_of_no_pinned_root_is_refused() {
    let stranger = Tsa::new(&KINDS[3]);
    assert!(matches!(refusal(&stranger.date(DATA)), TimestampError::UnknownAuthority { .. }));
}

#[test]
fn tsa_certificate_that_is_not_for_timestamping_only_is_refused() {
    let info = info(&ONE.date(DATA));
    for leaf in ["without", "lenient", "double", "encipher"] {
        let found = refusal(&ONE.forge(&info, leaf, AS_TSA));
        assert!(matches!(found, TimestampError::Purpose { .. }), "{leaf}: {found}");
    }
}

#[test]
fn tsa_certificate_not_valid_at_the_time_is_refused() {
    for year in [b"2020", b"2090"] {
        let answer = forged(|info| {
            let at = info.windows(3).position(|window| window == [0x18, 15, b'2']).unwrap();
            [&info[..at + 2], year, &info[at + 6..]].concat()
        });
        let found = refusal(&answer);
        // Beyond ten years the root is gone too.
        assert!(
            matches!(found, TimestampError::NotValidThen { .. } | TimestampError::UnknownAuthority { .. }),
            "{found}"
        );
    }
}

#[test]
fn tsa_expired_certificate_below_a_valid_root_is_refused() {
    let answer = forged(|info| {
        let at = info.windows(3).position(|window| window == [0x18, 15, b'2']).unwrap();
        let year: i32 = std::str::from_utf8(&info[at + 2..at + 6]).unwrap().parse().unwrap();
        [&info[..at + 2], (year + 3).to_string().as_bytes(), &info[at + 6..]].concat()
    });
    assert!(matches!(refusal(&answer), TimestampError::NotValidThen { .. }));
}

#[test]
fn tsa_answer_to_another_request_is_refused() {
    let asked = request(&Digest::of(DATA), &Nonce::new([1; 8])).unwrap();
    let answer = ONE.answer(&asked);
    assert!(matches!(refusal(&answer), TimestampError::Nonce));
    // A verifier that did not ask does not know the nonce.
    verify(&answer, &Digest::of(DATA), None, &ONE.pinned()).unwrap();
}

#[test]
fn tsa_rejection_is_no_token() {
    // SHA-1 is not among the digests that this authority takes.
    let mut asked = request(&Digest::of(DATA), &nonce()).unwrap();
    let unknown = asked.windows(2).position(|window| window == [2, 1]).unwrap();
    asked[unknown + 2] = 9;
    assert!(matches!(refusal(&ONE.answer(&asked)), TimestampError::NotGranted { .. }));
    // A rejection that carries a good token all the same.
    let answer = ONE.date(DATA);
    let token = &answer[answer.windows(2).position(|window| window == [6, 9]).unwrap() - 4..];
    let waiting = sequence(&[&[0x30, 3, 2, 1, 3], token].concat());
    assert!(matches!(refusal(&waiting), TimestampError::NotGranted { .. }));
    assert!(matches!(refusal(&sequence(&[0x30, 3, 2, 1, 0])), TimestampError::NoToken));
}

#[test]
fn tsa_signed_data_of_another_kind_is_refused() {
    let info = info(&ONE.date(DATA));
    let found = refusal(&ONE.forge(&info, "good", "-cades"));
    assert!(matches!(found, TimestampError::ContentType { .. }), "{found}");
}

#[test]
fn tsa_token_that_does_not_name_its_certificate_is_refused() {
    let info = info(&ONE.date(DATA));
    let found = refusal(&ONE.forge(&info, "good", "-econtent_type 1.2.840.113549.1.9.16.1.4"));
    assert!(matches!(found, TimestampError::Attribute { name: "signing-certificate" }), "{found}");
}

#[test]
fn tsa_token_without_signed_attributes_is_refused() {
    let info = info(&ONE.date(DATA));
    let found = refusal(&ONE.forge(&info, "good", "-noattr -econtent_type 1.2.840.113549.1.9.16.1.4"));
    assert!(matches!(found, TimestampError::Attribute { .. }), "{found}");
}

#[test]
fn tsa_second_signer_is_refused() {
    let info = info(&ONE.date(DATA));
    let options = format!("{AS_TSA} -signer double.pem -inkey double.key");
    let found = refusal(&ONE.forge(&info, "good", &options));
    assert!(matches!(found, TimestampError::Signers { found: 2 }), "{found}");
}

#[test]
fn tsa_signer_named_by_its_key_is_accepted() {
    let answer = ONE.forge(&info(&ONE.date(DATA)), "good", &format!("{AS_TSA} -keyid"));
    verify(&answer, &Digest::of(DATA), Some(&nonce()), &ONE.pinned()).unwrap();
}

#[test]
fn tsa_other_version_is_refused() {
    let found = refusal(&forged(|info| replaced(&info, &[2, 1, 1], &[2, 1, 2])));
    assert!(matches!(found, TimestampError::Malformed { part: "TSTInfo", .. }), "{found}");
}

#[test]
fn tsa_bytes_after_the_end_are_refused() {
    let mut answer = ONE.date(DATA);
    answer.push(0);
    assert!(matches!(refusal(&answer), TimestampError::Malformed { .. }));
    let found = refusal(&forged(|info| [info, vec![0]].concat()));
    assert!(matches!(found, TimestampError::Malformed { part: "TSTInfo", .. }), "{found}");
}

#[test]
fn tsa_answer_beyond_the_limit_is_not_read() {
    let found = refusal(&vec![0x30; RESPONSE_BYTES + 1]);
    assert!(matches!(found, TimestampError::TooLong { .. }), "{found}");
}

#[test]
fn tsa_truncated_answer_is_refused_at_every_length() {
    let answer = ONE.date(DATA);
    for length in 0..answer.len() {
        let found = refusal(&answer[..length]);
        assert!(matches!(found, TimestampError::Malformed { .. }), "{length}: {found}");
    }
}

/// Decision 23: every changed byte is refused, or time, imprint and signer are what they were.
#[test]
fn tsa_changed_byte_is_refused_or_changes_nothing_that_counts() {
    for kind in [&KINDS[0], &KINDS[3]] {
        let tsa = Tsa::new(kind);
        let (good, pinned) = (tsa.date(DATA), tsa.pinned());
        let token = verify(&good, &Digest::of(DATA), None, &pinned).unwrap();
        let mut survivors = Vec::new();
        for position in 0..good.len() {
            for change in [0x01, 0x80] {
                let mut answer = good.clone();
                answer[position] ^= change;
                if let Ok(other) = verify(&answer, &Digest::of(DATA), None, &pinned) {
                    assert_eq!(other, token, "byte {position}");
                    survivors.push(position);
                }
            }
        }
        survivors.dedup();
        // The root comes with the token and is not looked at: the pinned one counts. Besides it there is the status
        // (granted, or granted with modifications) and two version numbers of the envelope.
        let root = spans(&good, &pem_der(&tsa.root()));
        let outside: Vec<_> = survivors.iter().filter(|position| !root.contains(position)).collect();
        assert!(outside.len() <= 3, "{outside:?} of {} bytes, root at {root:?}", good.len());
        assert!(survivors.len() < good.len() / 2, "{} of {}", survivors.len(), good.len());
    }
}

fn spans(bytes: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let at = bytes.windows(part.len()).position(|window| window == part).unwrap();
    at..at + part.len()
}

fn pem_der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

proptest::proptest! {
    /// Changed in several places at once, which one changed byte cannot show.
    #[test]
    fn tsa_answer_changed_in_several_bytes_is_never_another_token(
        changes in proptest::collection::vec((proptest::num::usize::ANY, 1_u8..), 2..6),
    ) {
        static GOOD: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| ONE.date(DATA));
        let pinned = ONE.pinned();
        let mut answer = GOOD.clone();
        for (position, change) in changes {
            let length = answer.len();
            answer[position % length] ^= change;
        }
        if let Ok(other) = verify(&answer, &Digest::of(DATA), None, &pinned) {
            proptest::prop_assert_eq!(other, verify(&GOOD, &Digest::of(DATA), None, &pinned).unwrap());
        }
    }
}
