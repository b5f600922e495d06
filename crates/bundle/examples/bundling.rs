//! How fast bundling is, as a ratio to what one thread can do at most: SHA-256, deflate 6 and CRC of the same bytes.
//!
//! `cargo run --release -p evidenced-bundle --example bundling [MEGABYTES] [RUNS]`. Alternates between the two, so
//! that a busy machine disturbs both; prints the medians and their ratio.

#![expect(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::format_push_string,
    reason = "a benchmark prints and divides"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write};
use std::time::Instant;

use evidenced_bundle::{
    BagId, BundlePath, Content, Digest, Draft, EvidenceKey, Kind, Limits, Scope, UtcSecond, hash_reader,
    prepare,
};

/// Documents as AWS describes security groups: deterministic, and about as compressible as the real ones.
fn document(number: u64, bytes: usize) -> Vec<u8> {
    let mut text = String::from("{\"SecurityGroups\":[");
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += &format!(
            "{{\"GroupId\":\"sg-{state:017x}\",\"OwnerId\":\"111122223333\",\"VpcId\":\"vpc-{:017x}\",\
             \"IpPermissions\":[{{\"IpProtocol\":\"tcp\",\"FromPort\":{},\"ToPort\":{},\"IpRanges\":[{{\"CidrIp\":\
             \"10.{}.{}.0/24\",\"Description\":\"internal\"}}],\"Ipv6Ranges\":[],\"PrefixListIds\":[]}}]}},",
            state.rotate_left(17),
            state % 65_535,
            state % 65_535,
            state >> 8 & 0xff,
            state >> 16 & 0xff
        );
    }
    text += "{}]}\n";
    text.into_bytes()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let megabytes: usize = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let runs: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("evidenced-bundling-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut files = Vec::new();
    for number in 0..u64::try_from(megabytes)? * 4 {
        let bytes = document(number, 250_000);
        let path = folder.join(format!("{number}.json"));
        fs::write(&path, &bytes)?;
        files.push((path, bytes));
    }
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let (mut ours, mut ceilings) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let started = Instant::now();
        bundle(&folder, &files)?;
        ours.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        ceiling(&files)?;
        ceilings.push(started.elapsed().as_secs_f64());
    }
    fs::remove_dir_all(&folder)?;
    let rate = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        total as f64 / 1e6 / times[times.len() / 2]
    };
    let (ours, most) = (rate(&mut ours), rate(&mut ceilings));
    println!(
        "{:.0} MB, {runs} runs: bundling {ours:.0} MB/s, ceiling {most:.0} MB/s, ratio {:.2}",
        total as f64 / 1e6,
        ours / most
    );
    Ok(())
}

/// What the collector does once documents are on disk: manifests, signature, zip, fsync, second read.
fn bundle(folder: &std::path::Path, files: &[(std::path::PathBuf, Vec<u8>)]) -> Result<(), Box<dyn Error>> {
    let slot = UtcSecond::parse("2026-11-22T02:00:00Z").ok_or("slot")?;
    let scope = Scope::new("bench").ok_or("scope")?;
    let mut payload = BTreeMap::new();
    for (number, (path, bytes)) in files.iter().enumerate() {
        // Documents are hashed when they are written: that is part of bundling.
        let content =
            Content::File { path: path.clone(), sha256: Digest::of(bytes), bytes: bytes.len() as u64 };
        payload
            .insert(BundlePath::new(format!("data/evidence/111122223333/eu-west-1/{number}.json"))?, content);
    }
    let draft = Draft {
        id: BagId::new(scope.clone(), slot, Kind::Schedule),
        scope,
        slot,
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced bench".to_owned(),
        bagging_date: "2026-11-22".to_owned(),
        files: payload,
    };
    let key = EvidenceKey::from_seed(&[1; 32]);
    let unsigned = prepare(draft, key.public().id(), &Limits::default())?;
    let signature = key.sign(unsigned.message())?;
    let path = folder.join("out.zip");
    let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(&path)?);
    unsigned.seal(signature, key.public(), &mut out)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    hash_reader(fs::File::open(&path)?)?;
    fs::remove_file(&path)?;
    Ok(())
}

/// SHA-256, deflate 6 and CRC-32 of the same bytes, in memory, in one thread.
fn ceiling(files: &[(std::path::PathBuf, Vec<u8>)]) -> Result<(), Box<dyn Error>> {
    for (_, bytes) in files {
        std::hint::black_box(Digest::of(bytes));
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        std::hint::black_box(crc.sum());
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(bytes)?;
        std::hint::black_box(encoder.finish()?);
    }
    Ok(())
}
