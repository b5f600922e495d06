//! A timestamp authority that answers with any time: `openssl ca` and `openssl cms` over a `TSTInfo` made here.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use der::asn1::{GeneralizedTime, Int, ObjectIdentifier, OctetString};
use der::{DateTime, Encode};
use evidenced_bundle::{Digest, UtcSecond};
use tempfile::TempDir;
use x509_tsp::{MessageImprint, TspVersion, TstInfo};

const CONFIG: &str = "\
[ca]
default_ca = here
[here]
new_certs_dir = .
database = index
serial = number
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
";
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// One authority for all tests of a process, valid from 2020 to 2099.
pub(crate) static TSA: LazyLock<Tsa> = LazyLock::new(Tsa::new);

pub(crate) struct Tsa {
    dir: TempDir,
    number: AtomicU64,
}

impl Tsa {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        fs::write(path.join("cnf"), CONFIG).unwrap();
        fs::write(path.join("index"), "").unwrap();
        fs::write(path.join("number"), "01\n").unwrap();
        for (name, signer) in
            [("root", "-selfsign -keyfile root.key"), ("leaf", "-cert root.pem -keyfile root.key")]
        {
            openssl(
                path,
                &format!(
                    "req -config cnf -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout {name}.key \
                     -subj /CN={name} -out {name}.csr"
                ),
            );
            openssl(
                path,
                &format!(
                    "ca -config cnf -batch -notext {signer} -in {name}.csr -startdate 20200101000000Z -enddate \
                     20991231235959Z -extensions {name} -out {name}.pem"
                ),
            );
        }
        Self { dir, number: AtomicU64::new(1) }
    }

    pub(crate) fn root(&self) -> String {
        fs::read_to_string(self.dir.path().join("root.pem")).unwrap()
    }

    /// An answer that dates these bytes at this time.
    pub(crate) fn date(&self, data: &[u8], at: UtcSecond) -> Vec<u8> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let unix = std::time::Duration::from_secs(u64::try_from(at.unix()).unwrap());
        let info = TstInfo {
            version: TspVersion::V1,
            policy: ObjectIdentifier::new_unwrap("1.2.3.4.1"),
            message_imprint: MessageImprint {
                hash_algorithm: cms::cert::x509::spki::AlgorithmIdentifierOwned {
                    oid: SHA_256,
                    parameters: None,
                },
                hashed_message: OctetString::new(Digest::of(data).as_bytes().to_vec()).unwrap(),
            },
            serial_number: Int::new(&[1]).unwrap(),
            gen_time: GeneralizedTime::from_date_time(DateTime::from_unix_duration(unix).unwrap()),
            accuracy: None,
            ordering: false,
            nonce: None,
            tsa: None,
            extensions: None,
        };
        let (content, token) = (format!("content{number}"), format!("token{number}"));
        fs::write(self.dir.path().join(&content), info.to_der().unwrap()).unwrap();
        openssl(
            self.dir.path(),
            &format!(
                "cms -sign -binary -nodetach -nosmimecap -in {content} -outform DER -out {token} -signer leaf.pem \
                 -inkey leaf.key -md sha256 -cades -econtent_type 1.2.840.113549.1.9.16.1.4"
            ),
        );
        let token = fs::read(self.dir.path().join(token)).unwrap();
        let granted = [&[0x30, 3, 2, 1, 0], token.as_slice()].concat();
        let [high, low] = u16::try_from(granted.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82, high, low], granted.as_slice()].concat()
    }
}

fn openssl(dir: &Path, line: &str) {
    let output = Command::new("openssl").args(line.split_whitespace()).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
}
