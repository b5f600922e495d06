//! Runs that are cut into parts: made without the writer under test, and then made wrong.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evidenced_bundle::archive::UntrustedBundle;
use evidenced_bundle::parts::{PartId, PartSource};
use evidenced_bundle::{
    Anchor, BagId, BundlePath, Check, Demand, Digest, Limits, Report, Verdict, VerifiedBundle, VerifyError,
    verify_path,
};
use serde_json::{Value, json};

use crate::bag::{
    ACCOUNT, Files, ID, Run, SIGNATURE, TAG_MANIFEST, key, line, manifest, refusal, rehash, signed, tags,
    trusted,
};
use crate::raw_zip::{Archive, RawEntry};

/// What is changed, and how.
type Named<T> = (&'static str, fn(&mut T));

const SECOND: &str = "222233334444";
const THIRD: &str = "333344445555";
const RAW: &str = "data/raw/111122223333/eu-west-1/vpc.vpcs/DescribeVpcs-1.body";

fn name(number: usize) -> String {
    format!("{ID}.part-{number:04}.zip")
}

/// A complete run of three accounts.
fn three_accounts() -> Run {
    let mut run = Run::complete();
    for account in [SECOND, THIRD] {
        let mut planned = run.plan["accounts"][0].clone();
        planned["id"] = json!(account);
        run.plan["accounts"].as_array_mut().unwrap().push(planned);
        for (region, item) in [
            ("eu-west-1", "vpc.vpcs"),
            ("eu-west-1", "waf.web-acls"),
            ("global", "account.regions"),
            ("global", "waf.web-acls"),
        ] {
            run.answer(account, region, item);
        }
    }
    run.run["scope"]["accounts"] = json!(3);
    run
}

/// A root and its parts, each a payload until it is made into a zip.
#[derive(Clone)]
pub(crate) struct Divided {
    run: Run,
    parts: Vec<Files>,
    /// Lines of the list that are not what the parts are.
    lies: Vec<(usize, &'static str, Value)>,
    /// Whole zips in place of those made from `parts`, before the list is made.
    zips: BTreeMap<usize, Vec<u8>>,
}

impl Divided {
    /// One account a part.
    pub(crate) fn complete() -> Self {
        let mut run = three_accounts();
        let parts = [ACCOUNT, SECOND, THIRD].map(|account| {
            let folder = format!("data/evidence/{account}/");
            run.documents
                .iter()
                .filter(|(path, _)| path.starts_with(&folder))
                .map(|(path, document)| (path.clone(), line(document)))
                .collect::<Files>()
        });
        run.documents.clear();
        let mut parts = parts.to_vec();
        parts[0].insert(RAW.into(), b"<DescribeVpcsResponse/>".to_vec());
        Self { run, parts, lies: Vec::new(), zips: BTreeMap::new() }
    }

    fn zip(&self, index: usize) -> Vec<u8> {
        self.zips.get(&index).cloned().unwrap_or_else(|| {
            let id = format!("{ID}.part-{:04}", index + 1);
            part_zip(&id, &part_files(&id, (index + 1, self.parts.len()), &self.parts[index]))
        })
    }

    fn list(&self) -> Value {
        let mut list: Vec<Value> = (0..self.parts.len())
            .map(|index| {
                let zip = self.zip(index);
                json!({
                    "name": name(index + 1), "sha256": Digest::of(&zip).to_string(), "size": zip.len(),
                    "entries": self.parts[index].len() + 5, "accounts": accounts(&self.parts[index]),
                })
            })
            .collect();
        for (index, member, value) in &self.lies {
            list[*index][*member] = value.clone();
        }
        json!(list)
    }

    /// The root's files, signed.
    fn root(&self) -> Files {
        let mut run = self.run.clone();
        run.more.entry("data/parts.json".into()).or_insert_with(|| line(&self.list()));
        run.signed()
    }

    /// Parts by the name of their file.
    fn shelf(&self) -> Shelf {
        Shelf((0..self.parts.len()).map(|index| (name(index + 1), self.zip(index))).collect())
    }

    fn verify(&self) -> Result<VerifiedBundle, VerifyError> {
        verify(&self.root(), self.shelf())
    }

    fn refused(&self) -> (Check, String) {
        refusal(self.verify())
    }

    /// Root and parts in a folder, as they are downloaded.
    fn on_disk(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(format!("{ID}.zip")), crate::bag::zip(&self.root()).bytes())
            .unwrap();
        for (name, zip) in self.shelf().0 {
            std::fs::write(folder.path().join(name), zip).unwrap();
        }
        folder
    }
}

fn accounts(part: &Files) -> Vec<String> {
    let mut accounts: Vec<String> =
        part.keys().map(|path| path.split('/').nth(2).unwrap_or("none").to_owned()).collect();
    accounts.sort();
    accounts.dedup();
    accounts
}

/// The files of a part: as those of a bag, counted, with its own name, and no signature.
fn part_files(id: &str, (position, count): (usize, usize), payload: &Files) -> Files {
    let mut files = payload.clone();
    files.extend(tags(ID, payload, &key(1)));
    let info = String::from_utf8(files["bag-info.txt"].clone()).unwrap();
    let info = info.replace(&format!("External-Identifier: {ID}\n"), &format!("External-Identifier: {id}\n"));
    files.insert("bag-info.txt".into(), format!("Bag-Count: {position} of {count}\n{info}").into_bytes());
    rehash(&mut files);
    files
}

fn part_zip(id: &str, files: &Files) -> Vec<u8> {
    entries(id, files).bytes()
}

fn entries(id: &str, files: &Files) -> Archive {
    Archive::new(files.iter().map(|(path, bytes)| RawEntry::deflated(&format!("{id}/{path}"), bytes)))
}

/// Parts in memory.
#[derive(Clone)]
struct Shelf(BTreeMap<String, Vec<u8>>);

impl PartSource for Shelf {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn evidenced_bundle::archive::ReadSeek>>> {
        Ok(self.0.get(name).map(|zip| -> Box<dyn evidenced_bundle::archive::ReadSeek> {
            Box::new(Cursor::new(zip.clone()))
        }))
    }

    fn names(&mut self, prefix: &str) -> io::Result<Vec<String>> {
        Ok(self.0.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }
}

fn verify(root: &Files, shelf: impl PartSource) -> Result<VerifiedBundle, VerifyError> {
    let zip = Cursor::new(crate::bag::zip(root).bytes());
    UntrustedBundle::open(zip, &format!("{ID}.zip"), &Limits::default()).with_parts(shelf).verify(&trusted())
}

fn report_of(path: &Path) -> Report {
    verify_path(path, &Anchor::Keys(trusted()), &Demand::default(), &Limits::default())
}

fn path(text: &str) -> BundlePath {
    BundlePath::new(text).unwrap()
}

// What is genuine.

#[test]
fn a_run_in_three_parts_is_genuine_and_every_file_is_found() {
    let divided = Divided::complete();
    let mut bundle = divided.verify().unwrap();
    assert_eq!(bundle.run().cells, BTreeMap::from([("complete", 12), ("region-disabled", 1)]));
    let seen = bundle.parts();
    assert_eq!((seen.count, seen.absent.len(), seen.unread_documents), (3, 0, 0));
    assert!(seen.exceptions().is_empty());
    // Backwards, so that every part is opened again.
    for part in divided.parts.iter().rev() {
        for (file, bytes) in part {
            assert_eq!(bundle.read(&path(file)).unwrap(), *bytes, "{file}");
        }
    }
    assert!(bundle.read(&path("data/run.json")).is_ok());
    assert!(bundle.read(&path("data/evidence/111122223333/eu-west-1/none.json")).is_err());
}

#[test]
fn a_run_whose_rows_are_split_by_account_is_genuine_in_parts() {
    let mut divided = Divided::complete();
    divided.run.split();
    let bundle = divided.verify().unwrap();
    assert_eq!(bundle.run().cells["complete"], 12);
    // A planned cell without a row is found though the rows of its account are long forgotten.
    let file = format!("data/run/{SECOND}.json");
    let mut rows: Value = serde_json::from_slice(&divided.run.more[&file]).unwrap();
    let gone = rows["cells"].as_array_mut().unwrap().remove(0);
    divided.run.more.insert(file, line(&rows));
    divided.parts[1].remove(gone["file"].as_str().unwrap());
    let (check, message) = divided.refused();
    assert_eq!(check, Check::Coverage);
    assert!(message.contains(&format!("{SECOND} eu-west-1 vpc.vpcs has no row")), "{message}");
}

#[test]
fn a_part_may_hold_two_accounts_whose_rows_are_split() {
    // The rows of the first of them are through when the part is not yet.
    let mut divided = Divided::complete();
    let second = divided.parts.remove(1);
    divided.parts[0].extend(second);
    divided.run.split();
    let bundle = divided.verify().unwrap();
    assert_eq!((bundle.parts().count, bundle.run().cells["complete"]), (2, 12));
}

#[test]
fn an_account_may_be_cut_by_region() {
    let mut divided = Divided::complete();
    let second = divided.parts[1].split_off(&format!("data/evidence/{SECOND}/global/"));
    divided.parts.insert(2, second);
    let bundle = divided.verify().unwrap();
    assert_eq!(bundle.parts().count, 4);
}

#[test]
fn parts_may_begin_with_a_later_number() {
    // A run for the same slot died when its first part was stored.
    let mut divided = Divided::complete();
    for index in 0..3 {
        let id = format!("{ID}.part-{:04}", index + 2);
        divided.zips.insert(index, part_zip(&id, &part_files(&id, (index + 1, 3), &divided.parts[index])));
        divided.lies.push((index, "name", json!(name(index + 2))));
    }
    let mut shelf = Shelf((0..3).map(|index| (name(index + 2), divided.zip(index))).collect());
    assert!(verify(&divided.root(), shelf.clone()).unwrap().parts().exceptions().is_empty());
    shelf.0.insert(name(1), b"of the run that died".to_vec());
    let bundle = verify(&divided.root(), shelf).unwrap();
    assert_eq!(bundle.parts().unlisted, [name(1)]);
}

#[test]
fn a_part_that_is_removed_is_an_exception_that_names_it() {
    let folder = Divided::complete().on_disk();
    let root = folder.path().join(format!("{ID}.zip"));
    let report = report_of(&root);
    assert_eq!((report.exit_code(), report.verdict), (0, Verdict::Genuine), "{}", report.render_text());
    assert_eq!(report.inputs.len(), 4, "the zip and its parts: {:?}", report.inputs);
    std::fs::remove_file(folder.path().join(name(2))).unwrap();
    let report = report_of(&root);
    assert_eq!(report.exit_code(), 4);
    let exception = format!("part {} is absent: its 9 files (account {SECOND}) were not checked", name(2));
    assert_eq!(report.exceptions, [exception]);
    assert!(report.render_json().contains("4 of them in parts that are absent"));
    for number in [1, 3] {
        std::fs::remove_file(folder.path().join(name(number))).unwrap();
    }
    let report = report_of(&root);
    assert_eq!((report.exit_code(), report.exceptions.len()), (4, 3));
}

#[test]
fn a_file_of_an_absent_part_is_not_read() {
    let divided = Divided::complete();
    let mut shelf = divided.shelf();
    shelf.0.remove(&name(1));
    let mut bundle = verify(&divided.root(), shelf).unwrap();
    assert_eq!(bundle.parts().unread_documents, 4);
    assert!(bundle.read(&path(RAW)).unwrap_err().to_string().contains("is not in the bundle"));
}

#[test]
fn a_part_too_many_is_named_and_not_read() {
    let divided = Divided::complete();
    let mut shelf = divided.shelf();
    shelf.0.insert(name(4), b"anything".to_vec());
    let bundle = verify(&divided.root(), shelf).unwrap();
    let exceptions = bundle.parts().exceptions();
    assert!(exceptions[0].starts_with(&name(4)) && exceptions.len() == 1, "{exceptions:?}");
    // A bag without parts has none that could be too many.
    assert!(verify(&Run::complete().signed(), divided.shelf()).unwrap().parts().exceptions().is_empty());
}

// Without the key.

#[test]
fn part_flip_any_byte() {
    let divided = Divided::complete();
    let (root, genuine) = (divided.root(), divided.shelf());
    let zip = &genuine.0[&name(1)];
    for at in 0..zip.len() {
        let mut shelf = genuine.clone();
        shelf.0.get_mut(&name(1)).unwrap()[at] ^= 0x10;
        assert_eq!(refusal(verify(&root, shelf)).0, Check::Parts, "byte {at}");
    }
}

#[test]
fn parts_of_another_length_are_refused_before_anything_parses_them() {
    let divided = Divided::complete();
    for change in [
        |zip: &mut Vec<u8>| zip.push(0),
        |zip: &mut Vec<u8>| zip.truncate(zip.len() - 1),
        |zip: &mut Vec<u8>| zip.clear(),
    ] {
        let mut shelf = divided.shelf();
        change(shelf.0.get_mut(&name(3)).unwrap());
        let (check, message) = refusal(verify(&divided.root(), shelf));
        assert_eq!(check, Check::Parts);
        assert!(message.contains(&name(3)) && message.contains(" bytes, data/parts.json says "), "{message}");
    }
}

#[test]
fn parts_swapped() {
    let divided = Divided::complete();
    let mut shelf = divided.shelf();
    let (one, two) = (shelf.0[&name(1)].clone(), shelf.0[&name(2)].clone());
    shelf.0.insert(name(1), two);
    shelf.0.insert(name(2), one);
    assert_eq!(refusal(verify(&divided.root(), shelf)).0, Check::Parts);
}

#[test]
fn part_list_rewritten_without_the_key() {
    let divided = Divided::complete();
    let mut other = divided.clone();
    other.parts[1].insert(format!("data/raw/{SECOND}/eu-west-1/x/y-1.body"), b"added".to_vec());
    let mut root = divided.root();
    root.insert("data/parts.json".into(), line(&other.list()));
    assert_eq!(refusal(verify(&root, other.shelf())).0, Check::Payload);
    let payload: Files = root.clone().into_iter().filter(|(path, _)| path.starts_with("data/")).collect();
    root.extend(tags(ID, &payload, &key(1)));
    assert_eq!(refusal(verify(&root, other.shelf())).0, Check::TagFiles);
    rehash(&mut root);
    assert_eq!(refusal(verify(&root, other.shelf())).0, Check::Signature);
}

#[test]
fn no_part_is_opened_before_the_signature_of_the_root_is_good() {
    struct Never;
    impl PartSource for Never {
        fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn evidenced_bundle::archive::ReadSeek>>> {
            panic!("{name} was opened")
        }
        fn names(&mut self, _: &str) -> io::Result<Vec<String>> {
            panic!("the folder was read")
        }
    }
    let mut root = Divided::complete().root();
    root.get_mut(SIGNATURE).unwrap()[7] ^= 1;
    assert_eq!(refusal(verify(&root, Never)).0, Check::Signature);
}

#[test]
fn a_part_that_cannot_be_read_tells_nothing() {
    struct Broken;
    impl PartSource for Broken {
        fn open(&mut self, _: &str) -> io::Result<Option<Box<dyn evidenced_bundle::archive::ReadSeek>>> {
            Err(io::Error::other("the disk failed"))
        }
        fn names(&mut self, _: &str) -> io::Result<Vec<String>> {
            Ok(Vec::new())
        }
    }
    let result = verify(&Divided::complete().root(), Broken);
    assert!(
        matches!(&result, Err(VerifyError::Unreadable { file: Some(file), .. }) if *file == name(1)),
        "{result:?}"
    );
    // A folder of that name is neither a part nor the lack of one.
    let folder = Divided::complete().on_disk();
    std::fs::remove_file(folder.path().join(name(1))).unwrap();
    std::fs::create_dir(folder.path().join(name(1))).unwrap();
    let report = report_of(&folder.path().join(format!("{ID}.zip")));
    assert_eq!(report.exit_code(), 2, "{}", report.render_text());
}

#[test]
fn a_part_is_not_a_bundle() {
    let folder = Divided::complete().on_disk();
    let report = report_of(&folder.path().join(name(2)));
    assert_eq!((report.exit_code(), report.verdict), (2, Verdict::CouldNotTell));
    let problem = report.problem.clone().unwrap_or_default();
    assert!(problem.contains(&format!("is a part of {ID}.zip")), "{problem}");
    assert!(report.render_text().contains("proved        nothing"), "{}", report.render_text());
}

#[test]
fn parts_that_are_given_beside_their_root_are_read_with_it() {
    let folder = Divided::complete().on_disk();
    let file = folder.path().join("key.pem");
    std::fs::write(&file, key(1).public().to_pem()).unwrap();
    let run = |names: &[&str]| {
        let mut arguments = vec!["--key".into(), file.clone().into_os_string()];
        arguments.extend(names.iter().map(|name| folder.path().join(name).into_os_string()));
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let code = evidenced_bundle::command::cli_verify(arguments, None, &mut out, &mut errors);
        (code, String::from_utf8(out).unwrap())
    };
    let (root, parts) = (format!("{ID}.zip"), [name(1), name(2), name(3)]);
    let all = [&parts[0], &parts[1], &parts[2], &root].map(String::as_str);
    let (code, text) = run(&all);
    assert_eq!((code, text.matches("genuine: ").count()), (0, 1), "{text}");
    // Without its root, and of another folder, a part says what it is.
    let (code, text) = run(&all[..2]);
    assert_eq!((code, text.matches(&format!("is a part of {ID}.zip")).count()), (2, 2), "{text}");
    // A name that leads nowhere is not passed over.
    std::fs::remove_file(folder.path().join(name(2))).unwrap();
    let (code, text) = run(&all);
    assert_eq!((code, text.matches("cannot be opened").count()), (2, 1), "{text}");
}

// With the key, and a lie.

/// What the changes to a genuine run come to.
fn lied(change: impl FnOnce(&mut Divided)) -> (Check, String) {
    let mut divided = Divided::complete();
    change(&mut divided);
    divided.refused()
}

#[test]
fn lists_that_lie_are_refused_though_they_are_signed() {
    let id = |text: &str| json!(format!("{text}.zip"));
    for (index, member, value, expected) in [
        (0, "sha256", json!("0".repeat(64)), Check::Parts),
        (0, "sha256", json!("F".repeat(64)), Check::Parts),
        (0, "size", json!(1), Check::Parts),
        (0, "size", json!(5_000_000_000_u64), Check::Parts),
        (0, "size", json!(-1), Check::Parts),
        (0, "entries", json!(9), Check::PartBags),
        (0, "entries", json!(20_001), Check::Parts),
        (0, "accounts", json!([]), Check::Parts),
        (0, "accounts", json!([ACCOUNT, ACCOUNT]), Check::Parts),
        (0, "accounts", json!([SECOND, ACCOUNT]), Check::Parts),
        (0, "accounts", json!([THIRD]), Check::Parts),
        (0, "accounts", json!([ACCOUNT, SECOND]), Check::PartBags),
        (1, "accounts", json!(["222233334445"]), Check::PartBags),
        (0, "name", id(&format!("{ID}.part-0002")), Check::Parts),
        (2, "name", id(&format!("{ID}.part-0004")), Check::Parts),
        (0, "name", id(&format!("{ID}.part-1")), Check::Parts),
        (0, "name", id(&format!("{ID}.part-0000")), Check::Parts),
        (0, "name", id(ID), Check::Parts),
        (0, "name", id("../evidence-prod-20261122T020000Z.part-0001"), Check::Parts),
        (0, "name", id("evidence-prod-20261123T020000Z.part-0001"), Check::Parts),
    ] {
        let (check, message) = lied(|divided| divided.lies.push((index, member, value.clone())));
        assert_eq!(check, expected, "{member} {value}: {message}");
    }
}

#[test]
fn lists_of_another_form_are_refused() {
    for text in ["[]\n", "{}\n", "null\n", "[{}]\n", "[1]\n", "", "[{\"name\":\"a\",\"name\":\"b\"}]\n"] {
        let (check, message) = lied(|divided| {
            divided.run.more.insert("data/parts.json".into(), text.as_bytes().to_vec());
        });
        assert_eq!(check, Check::Parts, "{text}: {message}");
    }
}

#[test]
fn more_parts_than_the_limit_are_refused() {
    let root = crate::bag::zip(&Divided::complete().root()).bytes();
    let limits = Limits { parts: 2, ..Limits::default() };
    let bundle = UntrustedBundle::open(Cursor::new(root), &format!("{ID}.zip"), &limits);
    assert_eq!(refusal(bundle.verify(&trusted())).0, Check::Parts);
}

#[test]
fn part_of_another_day() {
    let other = "evidence-prod-20261121T020000Z.part-0002";
    let (check, message) = lied(|divided| {
        divided.zips.insert(1, part_zip(other, &part_files(other, (2, 3), &divided.parts[1])));
    });
    assert_eq!(check, Check::PartBags);
    assert!(message.contains("bag-name") && message.contains(other), "{message}");
    // The folder is right, the inside is not.
    let id = format!("{ID}.part-0002");
    let (check, message) = lied(|divided| {
        divided.zips.insert(1, part_zip(&id, &part_files(other, (2, 3), &divided.parts[1])));
    });
    assert_eq!(check, Check::PartBags);
    assert!(message.contains("bag-info"), "{message}");
}

#[test]
fn a_document_in_the_wrong_part() {
    let moved = format!("data/evidence/{THIRD}/eu-west-1/vpc.vpcs.json");
    let (check, message) = lied(|divided| {
        let document = divided.parts[2].remove(&moved).unwrap();
        divided.parts[0].insert(moved.clone(), document);
    });
    assert_eq!(check, Check::Parts, "{message}");
    let (check, message) = lied(|divided| {
        let document = divided.parts[2].remove(&moved).unwrap();
        divided.parts[0].insert(moved.clone(), document);
        divided.lies.push((0, "accounts", json!([ACCOUNT])));
    });
    assert_eq!(check, Check::PartBags, "{message}");
    // Within a cut account: a region that comes too early.
    let late = format!("data/evidence/{SECOND}/global/account.regions.json");
    let (check, message) = lied(|divided| {
        let document = divided.parts[1].remove(&late).unwrap();
        divided.parts.insert(1, Files::from([(late.clone(), document)]));
    });
    assert_eq!(check, Check::PartBags, "{message}");
    assert!(message.contains("does not come after"), "{message}");
}

#[test]
fn a_document_in_two_parts() {
    for twice in [RAW.to_owned(), format!("data/evidence/{ACCOUNT}/global/waf.web-acls.json")] {
        let (check, message) = lied(|divided| {
            let document = divided.parts[0][&twice].clone();
            divided.parts[1].insert(twice.clone(), document);
        });
        assert_eq!(check, Check::PartBags, "{message}");
        assert!(message.contains("does not come after"), "{message}");
    }
}

#[test]
fn evidence_in_the_root_of_a_run_in_parts_is_refused() {
    for stray in [RAW, "data/evidence/111122223333/eu-west-1/vpc.vpcs.json", "data/raw/x/y"] {
        let (check, message) = lied(|divided| {
            let bytes = divided.parts[0].get(stray).cloned().unwrap_or_default();
            divided.run.more.insert(stray.into(), bytes);
        });
        assert_eq!(check, Check::Parts);
        assert!(message.contains("belongs into a part"), "{message}");
    }
}

#[test]
fn rows_and_documents_in_parts_are_held_against_each_other() {
    let document = format!("data/evidence/{SECOND}/eu-west-1/vpc.vpcs.json");
    let (check, message) = lied(|divided| drop(divided.parts[1].remove(&document)));
    assert_eq!(check, Check::RunFiles);
    assert!(message.contains(&document) && message.contains("in no part"), "{message}");
    let (check, message) = lied(|divided| {
        divided.parts[1].insert(format!("data/evidence/{SECOND}/eu-west-1/none.json"), b"{}\n".to_vec());
    });
    assert_eq!(check, Check::RunFiles);
    assert!(message.contains("belongs to no row"), "{message}");
    let (check, message) = lied(|divided| {
        divided.parts[1].insert(document.clone(), b"{}\n".to_vec());
    });
    assert_eq!(check, Check::RunFiles);
    assert!(message.contains("another sha256"), "{message}");
    // A document about another cell, under the digest that its row names.
    let (check, message) = lied(|divided| {
        let other = divided.parts[1][&format!("data/evidence/{SECOND}/eu-west-1/waf.web-acls.json")].clone();
        let digest = Digest::of(&other).to_string();
        let rows = divided.run.rows().iter_mut();
        rows.filter(|row| row["file"] == json!(document)).for_each(|row| row["sha256"] = json!(digest));
        divided.parts[1].insert(document.clone(), other);
    });
    assert_eq!(check, Check::RunFiles);
    assert!(message.contains("another cell"), "{message}");
}

#[test]
fn a_row_without_a_document_is_refused_although_a_part_of_another_account_is_absent() {
    let mut divided = Divided::complete();
    divided.parts[1].remove(&format!("data/evidence/{SECOND}/eu-west-1/vpc.vpcs.json"));
    let mut shelf = divided.shelf();
    shelf.0.remove(&name(3));
    assert_eq!(refusal(verify(&divided.root(), shelf)).0, Check::RunFiles);
}

#[test]
fn bags_of_parts_that_lie_are_refused() {
    let id = format!("{ID}.part-0002");
    let text = |files: &mut Files, file: &str, from: &str, to: &str| {
        let before = String::from_utf8(files[file].clone()).unwrap();
        assert!(before.contains(from), "{file} has no {from:?}");
        files.insert(file.into(), before.replacen(from, to, 1).into_bytes());
        rehash(files);
    };
    let info = "bag-info.txt";
    for (file, from, to) in [
        (info, "Bag-Count: 2 of 3", "Bag-Count: 1 of 3"),
        (info, "Bag-Count: 2 of 3", "Bag-Count: 2 of 4"),
        (info, "Bag-Count: 2 of 3", "Bag-Count: 3 of 2"),
        (info, "Bag-Count: 2 of 3", "Bag-Count: 02 of 3"),
        (info, "Bag-Count: 2 of 3\n", ""),
        (info, ".part-0002", ".part-0001"),
        (info, "Identifier: prod", "Identifier: test"),
        (info, "Example Ltd", "Other Ltd"),
        (info, "Payload-Oxum: ", "Payload-Oxum: 1"),
        (info, "Evidenced-Key-Id: ", "Evidenced-Key-Id: 0"),
        ("bagit.txt", "1.0", "0.97"),
        ("manifest-sha256.txt", "global", "globe"),
    ] {
        let (check, message) = lied(|divided| {
            let mut files = part_files(&id, (2, 3), &divided.parts[1]);
            text(&mut files, file, from, to);
            divided.zips.insert(1, part_zip(&id, &files));
        });
        assert_eq!(check, Check::PartBags, "{file}: {from:?} -> {to:?}: {message}");
        assert!(message.contains(&name(2)), "{message}");
    }
    let changes: [Named<Files>; 6] = [
        ("a signature", |files| drop(files.insert(SIGNATURE.into(), vec![0; 64]))),
        ("a file in no manifest", |files| drop(files.insert("data/evidence/x.json".into(), Vec::new()))),
        ("no tag manifest", |files| drop(files.remove(TAG_MANIFEST))),
        ("no README", |files| drop(files.remove("README.txt"))),
        ("a tag file that changed", |files| drop(files.insert("README.txt".into(), b"x\n".to_vec()))),
        ("a document that changed", |files| {
            let path = format!("data/evidence/{SECOND}/eu-west-1/vpc.vpcs.json");
            files.insert(path, b"{}\n".to_vec());
        }),
    ];
    for (what, change) in changes {
        let (check, message) = lied(|divided| {
            let mut files = part_files(&id, (2, 3), &divided.parts[1]);
            change(&mut files);
            let count = files.len();
            divided.zips.insert(1, part_zip(&id, &files));
            divided.lies.push((1, "entries", json!(count)));
        });
        assert_eq!(check, Check::PartBags, "{what}: {message}");
    }
}

#[test]
fn a_part_with_files_that_belong_into_the_root_is_refused() {
    for stray in [
        "data/run.json",
        "data/checks.json",
        "data/policies/a.rego",
        "data/findings/x",
        "data/raw/x",
        "data/evidence/x",
    ] {
        let (check, message) = lied(|divided| {
            divided.parts[1].insert(stray.into(), b"{}\n".to_vec());
            divided.lies.push((1, "accounts", json!([SECOND])));
        });
        assert_eq!(check, Check::PartBags, "{stray}");
        assert!(message.contains("belongs into the root"), "{message}");
    }
}

#[test]
fn a_part_outside_the_zip_profile_is_refused() {
    let id = format!("{ID}.part-0002");
    let lie = |change: fn(&mut RawEntry)| {
        lied(move |divided| {
            let files = part_files(&format!("{ID}.part-0002"), (2, 3), &divided.parts[1]);
            let entries = files.iter().enumerate().map(|(index, (path, bytes))| {
                let mut entry = RawEntry::deflated(&format!("{ID}.part-0002/{path}"), bytes);
                if index == 3 {
                    change(&mut entry);
                }
                entry
            });
            divided.zips.insert(1, Archive::new(entries).bytes());
        })
    };
    let changes: [Named<RawEntry>; 5] = [
        ("zip-headers", |entry| entry.external = 0o120_777 << 16),
        ("zip-headers", |entry| entry.comment = b"x".to_vec()),
        ("zip-headers", |entry| entry.time += 1),
        ("zip-layout", |entry| entry.gap = vec![0; 3]),
        ("zip-content", |entry| (entry.crc, entry.local_crc) = (1, 1)),
    ];
    for (expected, change) in changes {
        let (check, message) = lie(change);
        assert_eq!(check, Check::PartBags, "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
    }
    // The time of all headers is another slot's.
    let (check, message) = lied(|divided| {
        let files = part_files(&id, (2, 3), &divided.parts[1]);
        let entries = files.iter().map(|(path, bytes)| {
            let mut entry = RawEntry::deflated(&format!("{id}/{path}"), bytes);
            entry.date += 1;
            entry
        });
        divided.zips.insert(1, Archive::new(entries).bytes());
    });
    assert_eq!(check, Check::PartBags);
    assert!(message.contains("is not the slot"), "{message}");
}

#[test]
fn a_part_with_a_bit_that_means_nothing_is_refused() {
    let id = format!("{ID}.part-0002");
    let (check, message) = lied(|divided| {
        let files = part_files(&id, (2, 3), &divided.parts[1]);
        let entries = files.iter().map(|(path, bytes)| {
            let mut entry = RawEntry::deflated(&format!("{id}/{path}"), bytes);
            if path.ends_with("vpc.vpcs.json") {
                // One stored block: three bits of header, five bits that no inflater looks at.
                let length = u16::try_from(bytes.len()).unwrap();
                let (head, lengths) = ([1 | 0x80], [length.to_le_bytes(), (!length).to_le_bytes()].concat());
                entry.packed = [&head[..], &lengths, bytes].concat();
                entry.packed_size = u32::try_from(entry.packed.len()).unwrap();
            }
            entry
        });
        let zip = Archive::new(entries).bytes();
        divided.zips.insert(1, zip);
    });
    assert_eq!(check, Check::PartBags, "{message}");
    assert!(message.contains("zip-content"), "{message}");
}

/// Parts that become others when the switch is thrown, as in a store that somebody overwrites meanwhile.
struct Switched(Shelf, Shelf, Arc<AtomicBool>);

struct Zip(Cursor<Vec<u8>>, Cursor<Vec<u8>>, Arc<AtomicBool>);

impl Zip {
    fn now(&mut self) -> &mut Cursor<Vec<u8>> {
        if self.2.load(Ordering::Relaxed) { &mut self.1 } else { &mut self.0 }
    }
}

impl io::Read for Zip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.now().read(buffer)
    }
}

impl io::Seek for Zip {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.now().seek(to)
    }
}

impl PartSource for Switched {
    fn open(&mut self, name: &str) -> io::Result<Option<Box<dyn evidenced_bundle::archive::ReadSeek>>> {
        let zip = |shelf: &Shelf| Cursor::new(shelf.0[name].clone());
        Ok(Some(Box::new(Zip(zip(&self.0), zip(&self.1), self.2.clone()))))
    }

    fn names(&mut self, prefix: &str) -> io::Result<Vec<String>> {
        self.0.names(prefix)
    }
}

#[test]
fn a_part_that_changed_since_it_was_verified_is_not_read() {
    let file = format!("data/evidence/{ACCOUNT}/eu-west-1/vpc.vpcs.json");
    let divided = Divided::complete();
    let mut other = divided.clone();
    other.parts[0].insert(file.clone(), b"{}\n".to_vec());
    let switch = Arc::new(AtomicBool::new(false));
    let shelf = Switched(divided.shelf(), other.shelf(), switch.clone());
    let mut bundle = verify(&divided.root(), shelf).unwrap();
    assert_eq!(bundle.read(&path(&file)).unwrap(), divided.parts[0][&file]);
    // Another part is read, so that this one is opened again.
    let third = divided.parts[2].keys().next().unwrap();
    assert!(bundle.read(&path(third)).is_ok());
    switch.store(true, Ordering::Relaxed);
    let error = bundle.read(&path(&file)).unwrap_err();
    assert!(matches!(error, VerifyError::Refused { check: Check::Parts, .. }), "{error}");
    assert!(error.to_string().contains("changed since it was verified"), "{error}");
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Chooses between the spaces and tabs at the end of a text so that it has this CRC.
fn with_crc(mut text: Vec<u8>, wanted: u32) -> Vec<u8> {
    const CHOICES: usize = 64;
    let from = text.len();
    text.extend([b' '; CHOICES]);
    let plain = crc(&text);
    // By their highest bit: what a set of choices changes, and the set.
    let mut basis = BTreeMap::new();
    let reduce = |basis: &BTreeMap<u32, (u32, u64)>, mut change: u32, mut set: u64| {
        while let Some((other, more)) = change.checked_ilog2().and_then(|bit| basis.get(&bit)) {
            (change, set) = (change ^ other, set ^ more);
        }
        (change, set)
    };
    for choice in 0..CHOICES {
        let mut other = text.clone();
        other[from + choice] = b'\t';
        let (change, set) = reduce(&basis, crc(&other) ^ plain, 1 << choice);
        if let Some(bit) = change.checked_ilog2() {
            basis.insert(bit, (change, set));
        }
    }
    let (left, set) = reduce(&basis, plain ^ wanted, 0);
    assert_eq!(left, 0);
    (0..CHOICES).filter(|choice| set >> choice & 1 == 1).for_each(|choice| text[from + choice] = b'\t');
    assert_eq!(crc(&text), wanted);
    text
}

/// A zip that is another one when this place of it is sought for the second time.
struct Second {
    zip: Zip,
    place: u64,
    sought: u32,
}

impl io::Read for Second {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.zip.read(buffer)
    }
}

impl io::Seek for Second {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.sought += u32::from(to == io::SeekFrom::Start(self.place));
        self.zip.2.store(self.sought > 1, Ordering::Relaxed);
        self.zip.seek(to)
    }
}

#[test]
fn a_list_of_parts_that_changes_while_it_is_read_is_refused() {
    // It is read once for its digest, and again for what it says: then it is another one with the same CRC.
    let mut divided = Divided::complete();
    let mut other = divided.clone();
    other.parts[0].insert(RAW.into(), b"<Nothing/>".to_vec());
    let mut text = format!("{}", other.list()).into_bytes();
    let spaced = format!("{}{:99}", divided.list(), "");
    divided.run.more.insert("data/parts.json".into(), spaced.into_bytes());
    let root = divided.root();
    let list = &root["data/parts.json"];
    text.resize(list.len() - 64, b' ');
    let text = with_crc(text, crc(list));
    let entries = root.iter().map(|(path, bytes)| {
        let name = format!("{ID}/{path}");
        if bytes == list { RawEntry::stored(&name, bytes) } else { RawEntry::deflated(&name, bytes) }
    });
    let first = Archive::new(entries).bytes();
    let place = first.windows(list.len()).position(|window| window == list).unwrap();
    let mut second = first.clone();
    second[place..place + text.len()].copy_from_slice(&text);
    let zip = |place: u64| Second {
        zip: Zip(Cursor::new(first.clone()), Cursor::new(second.clone()), Arc::default()),
        place,
        sought: 0,
    };
    let verify = |zip: Second, shelf: Shelf| {
        UntrustedBundle::open(zip, &format!("{ID}.zip"), &Limits::default())
            .with_parts(shelf)
            .verify(&trusted())
    };
    assert!(verify(zip(u64::MAX), divided.shelf()).is_ok());
    let (check, message) = refusal(verify(zip(u64::try_from(place).unwrap()), other.shelf()));
    assert_eq!(check, Check::Payload, "{message}");
    assert!(message.contains("data/parts.json: changed while it was read"), "{message}");
}

#[test]
fn a_root_that_is_counted_as_a_part_is_refused() {
    let mut files = Run::complete().signed();
    let info = String::from_utf8(files["bag-info.txt"].clone()).unwrap();
    for (from, to) in [("", ""), (ID, "evidence-prod-20261122T020000Z.part-0001")] {
        let info =
            format!("Bag-Count: 1 of 3\n{}", info.replace(&format!(": {from}\n"), &format!(": {to}\n")));
        files.insert("bag-info.txt".into(), info.into_bytes());
        crate::bag::sign(&mut files, &key(1));
        assert_eq!(refusal(verify(&files, evidenced_bundle::parts::NoParts)).0, Check::BagInfo);
    }
}

#[test]
fn names_of_parts_have_one_spelling() {
    let part = PartId::parse(&format!("{ID}.part-0012")).unwrap();
    assert_eq!((part.number().get(), part.root()), (12, &BagId::parse(ID).unwrap()));
    assert_eq!(part.store_key(), format!("bundles/2026/11/22/{ID}.part-0012.zip"));
    for wrong in
        ["part-12", "part-00012", "part-0000", "part-+012", "part-10000", "part-", "Part-0012", "part-0012 "]
    {
        assert_eq!(PartId::parse(&format!("{ID}.{wrong}")), None, "{wrong}");
    }
    assert_eq!(PartId::parse("evidence-prod.part-0001"), None);
    assert_eq!(PartId::of_file_name(&format!("{ID}.part-0012")), None);
}

#[test]
fn the_manifest_helper_of_this_file_lists_what_it_should() {
    // The parts above are only as good as their manifests.
    let divided = Divided::complete();
    let files = part_files("x", (1, 3), &divided.parts[0]);
    assert_eq!(files["manifest-sha256.txt"], manifest(&divided.parts[0]));
    assert_eq!(files.len(), divided.parts[0].len() + 5);
    assert_eq!(signed(ID, &divided.parts[0], &key(1)).len(), files.len() + 1);
}
