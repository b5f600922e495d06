//! Cuts a run that is too large for one bag into parts.
//!
//! Pure: the same draft gives the same parts. Evidence, findings and raw bodies go to parts, in one order over all of them
//! (account, region, path); everything else stays in the root. An account is whole in one part if it fits into one,
//! else a region of it; a file is never cut, so that a file beyond the limit is a part of its own.

use std::num::NonZeroU16;

use evidenced_bundle::parts::order;
use evidenced_bundle::{BundlePath, Content, Draft, Limits, PartDraft, PartOf};

use crate::config::BagSize;
use crate::layout::LayoutError;

/// Tag files of a bag and its signature.
const TAG_ENTRIES: u64 = 6;
/// More than what they have, without the payload manifest.
const TAG_BYTES: u64 = 8 << 10;

/// A run as the bags that hold it.
#[derive(Debug)]
pub struct Cut {
    /// The parts, which are sealed and stored first; none when one bag is enough.
    pub parts: Vec<PartDraft>,
    /// What is signed; with parts it lacks the list of them ([`Draft::with_parts`]).
    pub root: Draft,
}

/// Cuts a draft if it is beyond `size`. Parts are numbered from `first`: 1, or the first number that no part in the
/// store has, when a run for the same slot died there.
pub fn cut(draft: Draft, size: &BagSize, first: NonZeroU16) -> Result<Cut, LayoutError> {
    let room = Load {
        entries: size.max_entries.saturating_sub(TAG_ENTRIES),
        bytes: size.max_bytes.saturating_sub(TAG_BYTES),
    };
    if Load::of(&draft.files.iter().map(measure).collect::<Vec<_>>()).fits(&room) {
        return Ok(Cut { parts: Vec::new(), root: draft });
    }
    let Draft { id, scope, slot, organisation, agent, bagging_date, files } = draft;
    let (mut divided, root): (Vec<_>, _) = files.into_iter().partition(|(path, _)| order(path).is_some());
    divided.sort_by(|(one, _), (other, _)| order(one).cmp(&order(other)));
    let lengths =
        runs(&divided.iter().map(|(path, content)| measure((path, content))).collect::<Vec<_>>(), &room);

    let too_many = LayoutError::Value("the number of parts");
    if u64::try_from(lengths.len()).map_or(true, |count| count > Limits::default().parts) {
        return Err(too_many);
    }
    let count = u16::try_from(lengths.len()).ok().and_then(NonZeroU16::new);
    let mut files = divided.into_iter();
    let mut parts = Vec::new();
    for (length, index) in lengths.into_iter().zip(0_u16..) {
        let place = |from: NonZeroU16| from.checked_add(index);
        let part = place(first).zip(place(NonZeroU16::MIN)).zip(count);
        let ((number, position), count) = part.ok_or(LayoutError::Value("the number of parts"))?;
        parts.push(PartDraft {
            id: id.clone(),
            part: PartOf { number, position, count },
            organisation: organisation.clone(),
            agent: agent.clone(),
            bagging_date: bagging_date.clone(),
            files: files.by_ref().take(length).collect(),
        });
    }
    let files = root.into_iter().collect();
    Ok(Cut { parts, root: Draft { id, scope, slot, organisation, agent, bagging_date, files } })
}

/// Files and bytes of a bag, its manifest included.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    entries: u64,
    bytes: u64,
}

/// A file as far as cutting goes.
#[derive(Debug, Clone, Copy)]
struct Measured<'a> {
    account: &'a str,
    region: &'a str,
    bytes: u64,
}

impl Load {
    fn of(files: &[Measured<'_>]) -> Self {
        files.iter().fold(Self::default(), |all, file| all.and(Self { entries: 1, bytes: file.bytes }))
    }

    fn and(self, more: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(more.entries),
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    fn fits(&self, room: &Self) -> bool {
        self.entries <= room.entries && self.bytes <= room.bytes
    }
}

fn measure<'a>((path, content): (&'a BundlePath, &Content)) -> Measured<'a> {
    let (account, region, _) = order(path).unwrap_or_default();
    let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    // Its line of the manifest: digest, two spaces, path, line feed.
    let line = length(path.as_str().len()).saturating_add(67);
    Measured { account, region, bytes: content.length().saturating_add(line) }
}

/// How many consecutive files each part takes.
fn runs(files: &[Measured<'_>], room: &Load) -> Vec<usize> {
    let mut packer = Packer { room, done: Vec::new(), open: Load::default(), length: 0 };
    for account in files.chunk_by(|one, next| one.account == next.account) {
        if packer.takes(account) {
            continue;
        }
        for region in account.chunk_by(|one, next| one.region == next.region) {
            if packer.takes(region) {
                continue;
            }
            for file in region.chunks(1) {
                if !packer.takes(file) {
                    packer.put(file);
                }
            }
        }
        // The rest of a cut account is not shared with the next one.
        packer.close();
    }
    packer.close();
    packer.done
}

struct Packer<'a> {
    room: &'a Load,
    done: Vec<usize>,
    open: Load,
    length: usize,
}

impl Packer<'_> {
    /// Takes files that belong together into the open part or a new one; not when they are too much for any part.
    fn takes(&mut self, files: &[Measured<'_>]) -> bool {
        let load = Load::of(files);
        if !self.open.and(load).fits(self.room) {
            // What would not fit beside others begins a part, even when it has to be cut.
            self.close();
            if !load.fits(self.room) {
                return false;
            }
        }
        self.put(files);
        true
    }

    fn put(&mut self, files: &[Measured<'_>]) {
        self.open = self.open.and(Load::of(files));
        self.length += files.len();
    }

    fn close(&mut self) {
        if self.length > 0 {
            self.done.push(self.length);
        }
        (self.open, self.length) = (Load::default(), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use evidenced_bundle::{BagId, Scope, UtcSecond};

    use super::*;

    fn draft(files: &[(&str, usize)]) -> Draft {
        let id = BagId::parse("evidence-prod-20261122T020000Z").unwrap();
        let file = |(path, bytes): &(&str, usize)| {
            (BundlePath::new(*path).unwrap(), Content::Bytes(vec![b'x'; *bytes]))
        };
        Draft {
            slot: id.slot(),
            id,
            scope: Scope::new("prod").unwrap(),
            organisation: "Example Ltd".into(),
            agent: "evidenced 0.1.0".into(),
            bagging_date: UtcSecond::parse("2026-11-22T02:00:00Z").unwrap().date(),
            files: files.iter().map(file).collect::<BTreeMap<_, _>>(),
        }
    }

    const RUN: &[(&str, usize)] = &[
        ("data/run.json", 10),
        ("data/run/a.json", 10),
        ("data/evidence/a/eu-1/x.json", 10),
        ("data/evidence/a/global/x.json", 10),
        ("data/raw/a/eu-1/x/Call-1.body", 10),
        ("data/evidence/b/eu-1/x.json", 10),
        ("data/evidence/c/eu-1/x.json", 10),
        ("data/evidence/c/global/x.json", 10),
    ];

    fn paths(cut: &Cut) -> Vec<Vec<&str>> {
        cut.parts.iter().map(|part| part.files.keys().map(BundlePath::as_str).collect()).collect()
    }

    fn entries(max_entries: u64) -> BagSize {
        BagSize { max_entries: max_entries + TAG_ENTRIES, max_bytes: 1 << 30 }
    }

    fn bytes(max_bytes: u64) -> BagSize {
        BagSize { max_entries: 20_000, max_bytes: max_bytes + TAG_BYTES }
    }

    #[test]
    fn a_run_that_fits_is_one_bag() {
        let one = cut(draft(RUN), &entries(8), NonZeroU16::MIN).unwrap();
        assert!(one.parts.is_empty());
        assert_eq!(one.root.files.len(), 8);
    }

    #[test]
    fn whole_accounts_share_parts_and_the_rest_stays_in_the_root() {
        let cut = cut(draft(RUN), &entries(4), NonZeroU16::MIN).unwrap();
        assert_eq!(
            paths(&cut),
            [
                vec![
                    "data/evidence/a/eu-1/x.json",
                    "data/evidence/a/global/x.json",
                    "data/evidence/b/eu-1/x.json",
                    "data/raw/a/eu-1/x/Call-1.body",
                ],
                vec!["data/evidence/c/eu-1/x.json", "data/evidence/c/global/x.json"],
            ]
        );
        let root: Vec<&str> = cut.root.files.keys().map(BundlePath::as_str).collect();
        assert_eq!(root, ["data/run.json", "data/run/a.json"]);
        let places: Vec<_> = cut.parts.iter().map(|part| part.part).collect();
        let place = |n: u16| PartOf {
            number: NonZeroU16::new(n).unwrap(),
            position: NonZeroU16::new(n).unwrap(),
            count: NonZeroU16::new(2).unwrap(),
        };
        assert_eq!(places, [place(1), place(2)]);
    }

    #[test]
    fn an_account_beyond_the_limit_is_cut_by_region_and_shares_its_parts_with_nobody() {
        let cut = cut(draft(RUN), &entries(2), NonZeroU16::MIN).unwrap();
        assert_eq!(
            paths(&cut),
            [
                vec!["data/evidence/a/eu-1/x.json", "data/raw/a/eu-1/x/Call-1.body"],
                vec!["data/evidence/a/global/x.json"],
                vec!["data/evidence/b/eu-1/x.json"],
                vec!["data/evidence/c/eu-1/x.json", "data/evidence/c/global/x.json"],
            ]
        );
    }

    #[test]
    fn a_region_beyond_the_limit_is_cut_by_file_and_a_file_never() {
        let huge = [("data/evidence/a/eu-1/x.json", 5_000), ("data/evidence/a/eu-1/y.json", 10)];
        let cut = cut(draft(&huge), &bytes(200), NonZeroU16::MIN).unwrap();
        assert_eq!(paths(&cut), [["data/evidence/a/eu-1/x.json"], ["data/evidence/a/eu-1/y.json"]]);
    }

    #[test]
    fn bytes_count_with_their_lines_in_the_manifest() {
        let two = [("data/evidence/a/eu-1/x.json", 100), ("data/evidence/b/eu-1/x.json", 100)];
        let line = u64::try_from("data/evidence/a/eu-1/x.json".len()).unwrap() + 67;
        assert_eq!(cut(draft(&two), &bytes(2 * (line + 100)), NonZeroU16::MIN).unwrap().parts.len(), 0);
        assert_eq!(cut(draft(&two), &bytes(2 * (line + 100) - 1), NonZeroU16::MIN).unwrap().parts.len(), 2);
    }

    #[test]
    fn parts_are_numbered_behind_those_of_a_run_that_died() {
        let cut = cut(draft(RUN), &entries(4), NonZeroU16::new(3).unwrap()).unwrap();
        let names: Vec<u16> = cut.parts.iter().map(|part| part.part.number.get()).collect();
        let places: Vec<u16> = cut.parts.iter().map(|part| part.part.position.get()).collect();
        assert_eq!((names, places), (vec![3, 4], vec![1, 2]));
    }

    #[test]
    fn more_parts_than_a_verifier_reads_are_refused() {
        let names: Vec<String> = (0..501).map(|n| format!("data/evidence/{n:03}/eu-1/x.json")).collect();
        let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert!(cut(draft(&files), &entries(1), NonZeroU16::MIN).is_err());
        assert_eq!(cut(draft(&files[1..]), &entries(1), NonZeroU16::MIN).unwrap().parts.len(), 500);
    }

    #[test]
    fn every_file_is_in_one_bag_and_parts_follow_each_other_whatever_the_limit() {
        for limit in 1..=8 {
            let cut = cut(draft(RUN), &entries(limit), NonZeroU16::MIN).unwrap();
            let mut all: Vec<&str> = paths(&cut).concat();
            all.extend(cut.root.files.keys().map(BundlePath::as_str));
            all.sort_unstable();
            assert_eq!(all, draft(RUN).files.keys().map(BundlePath::as_str).collect::<Vec<_>>());
            let keys = |part: &PartDraft| {
                let mut keys: Vec<_> = part.files.keys().map(|path| order(path).unwrap()).collect();
                keys.sort_unstable();
                (keys[0].2.to_owned(), format!("{:?}", keys[0]), format!("{:?}", keys[keys.len() - 1]))
            };
            assert!(cut.parts.windows(2).all(|two| keys(&two[0]).2 < keys(&two[1]).1), "{limit}");
        }
    }
}
