//! What `bench/verify.py` measures beside the verifier: makes a large bundle, and does the least that verifying is.
//!
//! `verifying make FOLDER MEGABYTES` writes a genuine bundle of that many megabytes of documents and `key.pem`;
//! `verifying least ZIP` hashes the file, then inflates and hashes each file in it, with the libraries that the
//! verifier has and no check at all: what nothing that verifies can go below in one thread. `verifying hash ZIP` does
//! only the first of these.

#![expect(clippy::print_stdout, clippy::format_push_string, reason = "a benchmark prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use evidenced_bundle::{
    BagId, BundlePath, Content, Digest, Draft, EvidenceKey, Limits, hash_reader, prepare,
};
use zip::ZipArchive;

const ID: &str = "evidence-bench-20261122T020000Z";
const DOCUMENT_BYTES: usize = 250_000;
const REGIONS: usize = 10;
const ITEMS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", folder, megabytes] => make(Path::new(folder), megabytes.parse()?),
        ["least", zip] => least(Path::new(zip)),
        ["hash", zip] => {
            println!("{}", hash_reader(File::open(zip)?)?.0);
            Ok(())
        }
        _ => Err("verifying make FOLDER MEGABYTES | verifying least ZIP | verifying hash ZIP".into()),
    }
}

fn least(zip: &Path) -> Result<(), Box<dyn Error>> {
    let (digest, _) = hash_reader(File::open(zip)?)?;
    println!("{digest}");
    let mut archive = ZipArchive::new(File::open(zip)?)?;
    let mut total = 0;
    for index in 0..archive.len() {
        total += hash_reader(archive.by_index(index)?)?.1;
    }
    println!("{total}");
    Ok(())
}

/// Documents as AWS describes security groups: deterministic, and about as compressible as the real ones.
fn document(account: &str, region: &str, item: &str, number: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut text = format!(
        "{{\"schema\":\"evidenced/evidence/v1\",\"item\":\"{item}\",\"account\":\"{account}\",\"region\":\"{region}\",\
         \"status\":\"complete\",\"calls\":[{{\"service\":\"ec2\",\"operation\":\"Describe\",\"output\":{{\"SecurityGroups\":["
    );
    let mut state = u64::try_from(number)?.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < DOCUMENT_BYTES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += &format!(
            "{{\"GroupId\":\"sg-{state:017x}\",\"OwnerId\":\"{account}\",\"VpcId\":\"vpc-{:017x}\",\
             \"IpPermissions\":[{{\"IpProtocol\":\"tcp\",\"FromPort\":{},\"ToPort\":{},\"IpRanges\":[{{\"CidrIp\":\
             \"10.{}.{}.0/24\",\"Description\":\"internal\"}}],\"Ipv6Ranges\":[],\"PrefixListIds\":[]}}]}},",
            state.rotate_left(17),
            state % 65_535,
            state % 65_535,
            state >> 8 & 0xff,
            state >> 16 & 0xff
        );
    }
    text += "{}]}}]}\n";
    Ok(text.into_bytes())
}

fn make(folder: &Path, megabytes: usize) -> Result<(), Box<dyn Error>> {
    let accounts = (megabytes * 1_000_000 / DOCUMENT_BYTES).div_ceil(REGIONS * ITEMS).max(1);
    fs::create_dir_all(folder.join("work"))?;
    let mut files = BTreeMap::new();
    let (mut cells, mut planned) = (Vec::new(), Vec::new());
    for account in 0..accounts {
        let account = format!("{:012}", 100_000_000_000 + account);
        let mut regions = Vec::new();
        for region in 0..REGIONS {
            let region = format!("eu-test-{region}");
            regions.push(format!("{{\"name\":\"{region}\",\"state\":\"enabled\",\"planned\":true}}"));
            for item in 0..ITEMS {
                let item = format!("vpc.item-{item:02}");
                let bytes = document(&account, &region, &item, cells.len())?;
                let name = format!("data/evidence/{account}/{region}/{item}.json");
                let path = folder.join("work").join(cells.len().to_string());
                fs::write(&path, &bytes)?;
                let sha256 = Digest::of(&bytes);
                cells.push(format!(
                    "{{\"account\":\"{account}\",\"region\":\"{region}\",\"item\":\"{item}\",\"status\":\"complete\",\
                     \"file\":\"{name}\",\"sha256\":\"{sha256}\"}}"
                ));
                let content = Content::File { path, sha256, bytes: u64::try_from(bytes.len())? };
                files.insert(BundlePath::new(name)?, content);
            }
        }
        planned.push(format!("{{\"id\":\"{account}\",\"regions\":[{}]}}", regions.join(",")));
    }
    let items: Vec<_> =
        (0..ITEMS).map(|item| format!("{{\"id\":\"vpc.item-{item:02}\",\"scope\":\"region\"}}")).collect();
    let id = BagId::parse(ID).ok_or("id")?;
    for (name, text) in [
        ("config", "{\"scope\":\"bench\",\"schedule\":\"0 2 * * *\"}".to_owned()),
        ("catalogue", format!("{{\"items\":[{}]}}", items.join(","))),
        ("plan", format!("{{\"accounts\":[{}]}}", planned.join(","))),
        (
            "run",
            format!(
                "{{\"slot\":\"{}\",\"status\":\"complete\",\"trigger\":\"schedule\",\"schedule\":\"0 2 * * *\",\
                 \"collected\":{{\"start\":\"2026-11-22T02:00:03Z\",\"end\":\"2026-11-22T02:09:12Z\"}},\
                 \"scope\":{{\"accounts\":{accounts},\"name\":\"bench\",\"regions\":{REGIONS}}},\"cells\":[{}]}}",
                id.slot(),
                cells.join(",")
            ),
        ),
    ] {
        files.insert(BundlePath::new(format!("data/{name}.json"))?, Content::Bytes(text.into_bytes()));
    }
    let draft = Draft {
        scope: id.scope().clone(),
        slot: id.slot(),
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced bench".to_owned(),
        bagging_date: id.slot().date(),
        files,
        id,
    };
    let key = EvidenceKey::from_seed(&[1; 32]);
    let unsigned = prepare(draft, key.public().id(), &Limits::default())?;
    let signature = key.sign(unsigned.message())?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(folder.join(format!("{ID}.zip")))?);
    unsigned.seal(signature, key.public(), &mut out)?;
    out.flush()?;
    fs::write(folder.join("key.pem"), key.public().to_pem())?;
    fs::remove_dir_all(folder.join("work"))?;
    println!("{}", folder.join(format!("{ID}.zip")).display());
    Ok(())
}
