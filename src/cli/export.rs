//! `evidenced export BUNDLE --format oscal|ocsf|csv`: what a bundle says, in the form of other programs.
//!
//! 1. The bundle is verified; nothing of one that is not genuine is written.
//! 2. Verdicts are read from it as they are: nothing is judged again.
//! 3. Files are made anew; what is there already is not overwritten.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use evidenced_core::assessment::{Assessment, ReadError};
use evidenced_core::facts::Facts;
use evidenced_core::formats::{self, FormatError, Names};

use super::exit::{Failed, INTERNAL, USAGE};
use super::genuine::{Believed, Genuine};
use super::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  evidenced export evidence-prod-20261122T020000Z.zip --format csv --to tables/
  evidenced export evidence-prod-20261122T020000Z.zip --format ocsf --to - --key evidence.pub.pem | gzip > findings.jsonl.gz";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The bundle (ID.zip), with what lies beside it.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// `csv`: three tables. `oscal`: assessment results and the catalog that they refer to. `ocsf`: a JSON object a
    /// line.
    #[arg(long, value_enum)]
    format: Form,
    /// The folder for the files; `-` writes to standard output (OSCAL: the assessment results, CSV: the findings).
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    /// CSV with a byte order mark, without which Excel takes UTF-8 for something else.
    #[arg(long)]
    bom: bool,
    #[command(flatten)]
    believed: Believed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Oscal,
    Ocsf,
    Csv,
}

/// The mark that Excel looks for.
const BOM: &[u8] = b"\xef\xbb\xbf";
const TABLES: [&str; 3] = ["findings", "population", "coverage"];

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    if arguments.bom && arguments.format != Form::Csv {
        return Err(Failed::usage("--bom is for --format csv", "leave it out"));
    }
    // 1.
    let mut bundle = arguments.believed.judge()?.open(&arguments.bundle)?;
    // 2.
    let files = match arguments.format {
        Form::Csv => tables(&mut bundle, arguments.bom)?,
        Form::Oscal => {
            let (facts, assessment, names) = read(&mut bundle)?;
            let made = formats::oscal(&facts, &assessment, &names)?;
            vec![("oscal-assessment-results.json", made.results), ("oscal-catalog.json", made.catalog)]
        }
        Form::Ocsf => {
            let (facts, assessment, names) = read(&mut bundle)?;
            vec![("ocsf.jsonl", formats::ocsf(&facts, &assessment, &names)?)]
        }
    };
    // 3.
    if arguments.to.as_os_str() == "-" {
        let first = files.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default();
        return print(&first);
    }
    fs::create_dir_all(&arguments.to)?;
    let id = bundle.id();
    let mut said = String::new();
    for (name, bytes) in files {
        let path = arguments.to.join(format!("{id}.{name}"));
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = made.map_err(|error| unwritten(&path, &error))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|error| unwritten(&path, &error))?;
        said = format!("{said}{}  {} bytes\n", path.display(), bytes.len());
    }
    print(said.as_bytes())
}

fn unwritten(path: &std::path::Path, error: &io::Error) -> Failed {
    let shown = path.display();
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failed::usage(format!("{shown}: is there already"), "name another folder with --to");
    }
    Failed::new(INTERNAL, format!("{shown}: cannot be written: {error}"))
}

/// The tables as they are in the bundle.
fn tables(bundle: &mut Genuine, bom: bool) -> Result<Vec<(&'static str, Vec<u8>)>, Failed> {
    let names = ["findings.csv", "population.csv", "coverage.csv"];
    let mut files = Vec::new();
    for (table, name) in TABLES.into_iter().zip(names) {
        let path = format!("data/{table}.csv");
        let bytes = bundle.file(&path)?.ok_or_else(|| without(bundle, &path))?;
        let bytes = if bom { [BOM, &bytes].concat() } else { bytes };
        files.push((name, bytes));
    }
    Ok(files)
}

fn without(bundle: &Genuine, path: &str) -> Failed {
    let message = format!("{}: holds no {path}: nothing was judged in it", bundle.id());
    Failed::usage(message, "a missed slot and a bundle of an earlier version have none")
}

/// What the bundle says.
fn read(bundle: &mut Genuine) -> Result<(Facts, Assessment, Names), Failed> {
    let files = bundle.files()?;
    let facts = Facts::read(&files)?;
    let assessment = Assessment::read(&files)?;
    let population = "data/population.csv";
    let names = files.get(population).map(|bytes| Names::read(bytes, &facts)).transpose()?;
    Ok((facts, assessment, names.ok_or_else(|| without(bundle, population))?))
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        Self::new(USAGE, error).hint("a missed slot and a bundle of an earlier version have no verdicts")
    }
}

impl From<FormatError> for Failed {
    fn from(error: FormatError) -> Self {
        Self::new(INTERNAL, error)
    }
}
