//! The vectors of `tests/vectors`, which share no code with this crate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_bundle::bag::BagInfo;
use evidenced_bundle::manifest::Manifest;
use evidenced_bundle::{Digest, EvidenceKey, Limits, PublicKey, TrustedKeys, UntrustedBundle};
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/bundle-vectors.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is missing"))
}

fn evidence_key(vectors: &Value) -> EvidenceKey {
    let seed = Digest::parse(text(&vectors["evidence_key"], "seed")).unwrap();
    EvidenceKey::from_seed(seed.as_bytes())
}

#[test]
fn the_key_of_the_vectors_has_their_id_and_form() {
    let vectors = vectors();
    let key = evidence_key(&vectors);
    assert_eq!(key.public().id().to_string(), text(&vectors["evidence_key"], "keyid"));
    let spki = STANDARD.decode(text(&vectors["evidence_key"], "spki")).unwrap();
    assert_eq!(PublicKey::from_spki(&spki).unwrap(), *key.public());
    assert!(key.public().to_pem().contains(text(&vectors["evidence_key"], "spki")));
}

#[test]
fn the_zips_of_the_vectors_verify_alone() {
    let vectors = vectors();
    let keys = TrustedKeys::new([evidence_key(&vectors).public().clone()]).unwrap();
    let mut statuses = Vec::new();
    for vector in vectors["bundles"].as_array().unwrap() {
        let zip = STANDARD.decode(text(vector, "zip_base64")).unwrap();
        let name = format!("{}.zip", text(vector, "id"));
        let bundle = UntrustedBundle::open(std::io::Cursor::new(zip), &name, &Limits::default());
        let bundle = bundle.verify(&keys).unwrap();
        assert_eq!(bundle.id().to_string(), text(vector, "id"));
        assert_eq!(bundle.zip_sha256().unwrap().to_string(), text(vector, "zip_sha256"));
        assert_eq!(
            bundle.tagmanifest_sha256().to_string(),
            Digest::of(text(&vector["bag"], "tagmanifest-sha256.txt").as_bytes()).to_string()
        );
        statuses.push(bundle.run().status.word());
    }
    assert_eq!(statuses, ["complete", "missed", "complete"]);
}

#[test]
fn the_tag_files_of_the_vectors_are_ours_byte_for_byte() {
    let vectors = vectors();
    let key = evidence_key(&vectors);
    for vector in vectors["bundles"].as_array().unwrap() {
        let bag = &vector["bag"];
        assert_eq!(text(bag, "bagit.txt"), evidenced_bundle::bag::BAG_DECLARATION);
        for name in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
            let bytes = text(bag, name).as_bytes();
            assert_eq!(Manifest::parse(bytes).unwrap().print(), bytes);
        }
        let info = text(bag, "bag-info.txt").as_bytes();
        assert_eq!(BagInfo::parse(info).unwrap().print(), info);
        let signature = key.sign(text(bag, "tagmanifest-sha256.txt").as_bytes()).unwrap();
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, text(vector, "tagmanifest_sig_hex"));
    }
}

fn parts_vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/parts-vectors.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_run_in_parts_of_the_vectors_verifies_and_its_list_is_ours_byte_for_byte() {
    let vectors = parts_vectors();
    let keys = TrustedKeys::new([evidence_key(&vectors).public().clone()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join(format!("{}.zip", text(&vectors, "id")));
    std::fs::write(&root, STANDARD.decode(text(&vectors, "zip_base64")).unwrap()).unwrap();
    for part in vectors["parts"].as_array().unwrap() {
        let zip = STANDARD.decode(text(part, "zip_base64")).unwrap();
        std::fs::write(folder.path().join(text(part, "name")), &zip).unwrap();
        for (name, tag) in part["bag"].as_object().unwrap() {
            let bytes = tag.as_str().unwrap().as_bytes();
            match name.as_str() {
                "bag-info.txt" => assert_eq!(BagInfo::parse(bytes).unwrap().print(), bytes),
                "manifest-sha256.txt" => assert_eq!(Manifest::parse(bytes).unwrap().print(), bytes),
                _ => {}
            }
        }
    }
    let bundle = UntrustedBundle::open_path(&root, &Limits::default()).unwrap().verify(&keys).unwrap();
    assert_eq!(bundle.zip_sha256().unwrap().to_string(), text(&vectors, "zip_sha256"));
    assert_eq!((bundle.parts().count, bundle.parts().absent.len()), (3, 0));
    assert_eq!(bundle.run().cells["complete"], 4);
    let records: Vec<_> = bundle.part_records().cloned().collect();
    assert_eq!(evidenced_bundle::parts::print(&records), text(&vectors, "parts_json").as_bytes());
}
