//! A simulated AWS, a configuration for it, and what a run left in the store.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use evidenced_bundle::command::read_keys;
use evidenced_bundle::{BundlePath, Limits, UntrustedBundle, VerifiedBundle};
use serde_json::Value;
use simcloud::{Config, Credentials, Running};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_evidenced");

/// Two attempts, so that faults are seen in seconds; the time-outs are only reached by what never answers.
const QUICK: &str = "max_attempts = 2\n";

pub(crate) struct Estate {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: Config,
    runtime: tokio::runtime::Runtime,
    running: Running,
}

/// Two regions in two accounts and no fault: what tests start from.
pub(crate) fn two_accounts() -> Config {
    Config { accounts: 2, ..Config::default() }
}

/// One account in two regions.
pub(crate) fn one_account() -> Config {
    Config::default()
}

impl Estate {
    /// Starts the simulated AWS and writes a configuration for it; `collect` goes into `[collect]`.
    pub(crate) fn new(config: Config, collect: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = runtime.block_on(simcloud::start(config.clone(), listen)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let estate = Self { folder, config, runtime, running };
        let made = Command::new(PROGRAM)
            .args([
                "init",
                "--scope",
                "test",
                "--organisation",
                "Example Ltd",
                "--origin",
                "evidence.example.com/test",
                "--dir",
            ])
            .arg(estate.folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        estate.configure(collect);
        estate
    }

    /// Writes the configuration anew, without a log.
    pub(crate) fn configure(&self, collect: &str) {
        self.write_configuration("test", "", collect);
    }

    /// Writes the configuration anew, with the log and the trust root of `init`; `signing` goes into `[signing]`.
    pub(crate) fn configure_log(&self, signing: &str) {
        let log = "log_key = \"file:keys/log.key.pem\"\ntrust_root = \"store/trust\"";
        self.write_configuration("test", &format!("{log}\n{signing}\n"), "items = [\"vpc.vpcs\"]");
    }

    /// A configuration with all that the tests change.
    pub(crate) fn write_configuration(&self, scope: &str, signing: &str, collect: &str) {
        let organization = format!(
            "[aws.organization]\nrole = \"{}\"\nexternal_id_file = \"external-id\"\n",
            simcloud::ROLE_NAME
        );
        let text = format!(
            "scope = \"{scope}\"\norganisation = \"Example Ltd\"\nschedule = \"0 2 * * *\"\n[store]\nurl = \"file:store\"\n\
             [signing]\norigin = \"evidence.example.com/test\"\nevidence_key = \"file:keys/evidence.key.pem\"\n{signing}\
             [aws]\nendpoint_url = \"{}\"\nregions = \"enabled\"\n{organization}[collect]\n{QUICK}{collect}\n",
            self.running.endpoint()
        );
        std::fs::write(self.path("evidenced.toml"), text).unwrap();
        std::fs::write(self.path("external-id"), simcloud::external_id(&self.config)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn endpoint(&self) -> String {
        self.running.endpoint()
    }

    /// A command with this estate's credentials and nothing else of the machine's AWS settings.
    pub(crate) fn command(&self) -> Command {
        self.command_of(PROGRAM)
    }

    /// The same of another program, such as one that starts ours.
    pub(crate) fn command_of(&self, program: &str) -> Command {
        let credentials: Credentials = simcloud::credentials(&self.config);
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .env("AWS_ACCESS_KEY_ID", credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .current_dir(self.folder.path());
        command
    }

    /// One run, and what it left.
    pub(crate) fn collect(&self) -> Run {
        let output = self.command().args(["-vv", "collect"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut bundles = Vec::new();
        zips(&self.path("store"), &mut bundles);
        bundles.sort();
        let path = bundles.pop().unwrap_or_else(|| panic!("no bundle; {stderr}"));
        let bundle = self.open(&path);
        Run { code: output.status.code().unwrap(), output, path, bundle }
    }

    /// A bundle as a verifier opens it.
    pub(crate) fn open(&self, path: &Path) -> VerifiedBundle {
        let keys = read_keys(&[self.path("keys/evidence.pub.pem")]).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        UntrustedBundle::open(File::open(path).unwrap(), name, &Limits::default()).verify(&keys).unwrap()
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        // Tasks of the server end with their runtime; nothing else of it outlives the test.
        self.runtime.spawn(async {});
    }
}

fn zips(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            zips(&path, found);
        } else if path.extension().is_some_and(|it| it == "zip") {
            found.push(path);
        }
    }
}

/// What a run left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) output: Output,
    pub(crate) path: PathBuf,
    pub(crate) bundle: VerifiedBundle,
}

impl Run {
    pub(crate) fn read(&mut self, path: &str) -> Vec<u8> {
        self.bundle.read(&BundlePath::new(path).unwrap()).unwrap()
    }

    pub(crate) fn json(&mut self, path: &str) -> Value {
        serde_json::from_slice(&self.read(path)).unwrap()
    }

    pub(crate) fn rows(&mut self) -> Vec<Value> {
        self.json("data/run.json")["cells"].as_array().unwrap().clone()
    }

    /// Rows that are gaps.
    pub(crate) fn gaps(&mut self) -> Vec<Value> {
        let gap = |row: &Value| ["partial", "denied", "failed"].contains(&row["status"].as_str().unwrap());
        self.rows().into_iter().filter(gap).collect()
    }

    pub(crate) fn row(&mut self, account: &str, region: &str, item: &str) -> Value {
        let wanted =
            |row: &Value| row["account"] == account && row["region"] == region && row["item"] == item;
        self.rows().into_iter().find(wanted).unwrap()
    }

    pub(crate) fn document(&mut self, account: &str, region: &str, item: &str) -> Value {
        self.json(&format!("data/evidence/{account}/{region}/{item}.json"))
    }

    /// Paths of all documents.
    pub(crate) fn documents(&mut self) -> Vec<String> {
        self.rows().iter().filter_map(|row| Some(row["file"].as_str()?.to_owned())).collect()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
