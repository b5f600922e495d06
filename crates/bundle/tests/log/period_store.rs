//! Stores of a quarter: small bundles, written to a log in memory, with a trust root beside them.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::{Arc, LazyLock};

use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::log::Log;
use evidenced_bundle::period_bundle::{BuildError, Built, Extras, PERIOD_BYTES, Request, build};
use evidenced_bundle::shelf::Shelf;
use evidenced_bundle::trust::{Document, Envelope, Holder, KeyEntry, Purpose, derive, file_name};
use evidenced_bundle::{BagId, Digest, Kind, PeriodId, PeriodName, Scope, Span, UtcSecond};

use crate::bag::{bag_on, id, writer};
use crate::common::{key, origin};
use crate::faulty::{Faulty, Plan};

/// The schedule of most runs.
pub(crate) const DAILY: &str = "0 2 * * *";

/// A store in memory.
#[derive(Clone)]
pub(crate) struct MemShelf(pub(crate) BTreeMap<String, Arc<Vec<u8>>>);

impl Shelf for MemShelf {
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let found = self.0.get(key).map(|bytes| bytes.to_vec());
        match found {
            Some(bytes) if u64::try_from(bytes.len()).unwrap() > limit_bytes => {
                Err(io::ErrorKind::FileTooLarge.into())
            }
            found => Ok(found),
        }
    }

    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        let found = self.0.get(key).map(|bytes| Cursor::new(bytes.to_vec()));
        Ok(found.map(|bytes| -> Box<dyn ReadSeek> { Box::new(bytes) }))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        Ok(self.0.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}

impl MemShelf {
    /// An object as text, changed.
    pub(crate) fn change(&mut self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let object = self.0.get_mut(key).unwrap_or_else(|| panic!("{key}"));
        change(Arc::make_mut(object));
    }
}

/// The run of a day, counted from 2026-10-01.
pub(crate) fn day(number: i64) -> (BagId, &'static str) {
    (id(number, Kind::Schedule), DAILY)
}

/// A run at another time.
pub(crate) fn at(instant: &str, kind: Kind, schedule: &'static str) -> (BagId, &'static str) {
    (BagId::new(Scope::new("demo").unwrap(), UtcSecond::parse(instant).unwrap(), kind), schedule)
}

/// The store after these runs, in this order.
pub(crate) fn store(runs: impl IntoIterator<Item = (BagId, &'static str)>) -> MemShelf {
    let (keys, memory) = ([key(1), key(2)], Faulty::new(1, 1, Plan::Never));
    // One writer only, so its turn need not be handed on.
    let handle = std::mem::ManuallyDrop::new(memory.writer(0));
    let mut log = Log::new(&*handle, writer(&keys, None));
    for (id, schedule) in runs {
        let (snapshot, zip) = bag_on(schedule, &id, 1, &keys[0]);
        log.append(&snapshot, &mut Cursor::new(zip)).unwrap();
    }
    let mut objects = memory.with(|shared| shared.objects.clone());
    objects.extend(trust().0);
    MemShelf(objects)
}

/// One holder, the evidence key and the log key, no timestamp authority: the files as keys of a store, and the
/// fingerprint.
pub(crate) fn trust() -> (BTreeMap<String, Arc<Vec<u8>>>, Digest) {
    let entry = |number: u8, purpose, file: &str| KeyEntry {
        id: *key(number).public().id(),
        purpose,
        file: file.to_owned(),
        valid_from: UtcSecond::parse("2026-07-01T00:00:00Z").unwrap(),
        valid_until: None,
        revoked: None,
    };
    let mut document = Document {
        version: 1,
        threshold: 1,
        holders: vec![Holder { name: "Person".to_owned(), key: key(9).public().clone() }],
        keys: vec![
            entry(1, Purpose::Evidence, "evidence-2026a.pub.pem"),
            entry(2, Purpose::Log(origin()), "log-2026a.pub.pem"),
        ],
        authorities: Vec::new(),
        previous: None,
        files: BTreeMap::new(),
    };
    let sources = BTreeMap::from([
        ("evidence-2026a.pub.pem".to_owned(), key(1).public().to_pem().into_bytes()),
        ("log-2026a.pub.pem".to_owned(), key(2).public().to_pem().into_bytes()),
    ]);
    let mut files = derive(&mut document, &sources).unwrap();
    files.extend(sources);
    let mut envelope = Envelope::draft(document).unwrap();
    envelope.sign(&key(9)).unwrap();
    files.insert(file_name(1), envelope.render().into_bytes());
    let keys = files.into_iter().map(|(name, bytes)| (format!("trust/{name}"), Arc::new(bytes)));
    (keys.collect(), envelope.digest())
}

/// 1 October to 31 December 2026: 92 days.
pub(crate) static QUARTER: LazyLock<MemShelf> = LazyLock::new(|| store((0..92).map(day)));

pub(crate) fn request(name: &str, span: Span) -> Request {
    Request {
        id: PeriodId::new(Scope::new("demo").unwrap(), PeriodName::new(name).unwrap()).unwrap(),
        span,
        days: None,
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced 0.1.0".to_owned(),
        limit_bytes: PERIOD_BYTES,
    }
}

pub(crate) fn q4() -> Request {
    request("2026-Q4", Span::quarter("2026-Q4").unwrap())
}

/// The days of a sample pack.
pub(crate) fn days(days: &[&str]) -> std::collections::BTreeSet<UtcSecond> {
    days.iter().map(|day| evidenced_bundle::span::day(day).unwrap()).collect()
}

pub(crate) fn built(shelf: &dyn Shelf, request: &Request) -> Result<(Built, Vec<u8>), BuildError> {
    let mut out = Cursor::new(Vec::new());
    let built = build(shelf, request, &Extras::default(), &mut out)?;
    Ok((built, out.into_inner()))
}
