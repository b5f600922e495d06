//! Timestamp authorities made with the `openssl` command: a root, and leaves below it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use cms::signed_data::SignedData;
use der::asn1::OctetString;
use der::{Decode, Encode};
use evidenced_bundle::timestamp::{Authorities, Nonce, request};
use evidenced_bundle::{Digest, UtcSecond};
use tempfile::TempDir;
use x509_tsp::TimeStampResp;

const CONFIG: &str = "\
[req]
distinguished_name = name
x509_extensions = root
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[good]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
[without]
basicConstraints = critical,CA:FALSE
[lenient]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = timeStamping
[double]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping,codeSigning
[encipher]
basicConstraints = critical,CA:FALSE
keyUsage = critical,keyEncipherment
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = here
[here]
serial = serial
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_alg = sha256
";

/// The key of an authority, as arguments of `openssl req`, and the digest that it signs with.
pub(crate) struct Kind {
    name: &'static str,
    key: &'static [&'static str],
    digest: &'static str,
}

const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: &[&str] = &["-newkey", "rsa:2048"];

pub(crate) const KINDS: [Kind; 6] = [
    Kind { name: "p256", key: P256, digest: "sha256" },
    Kind { name: "p384", key: P384, digest: "sha384" },
    Kind { name: "p384 with sha256", key: P384, digest: "sha256" },
    Kind { name: "rsa", key: RSA, digest: "sha256" },
    Kind { name: "rsa with sha384", key: RSA, digest: "sha384" },
    Kind { name: "rsa with sha512", key: RSA, digest: "sha512" },
];

/// The authority that most tests ask.
pub(crate) static ONE: LazyLock<Tsa> = LazyLock::new(|| Tsa::new(&KINDS[0]));
/// Another one, with another root.
pub(crate) static OTHER: LazyLock<Tsa> = LazyLock::new(|| Tsa::new(&KINDS[0]));

/// A root with leaves `good`, `without`, ... below it.
pub(crate) struct Tsa {
    dir: TempDir,
    digest: &'static str,
}

impl Tsa {
    pub(crate) fn new(kind: &Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        fs::write(path.join("cnf"), CONFIG).unwrap();
        let subject = format!("/O=Example/CN={} root", kind.name);
        let new_key = |name: &str, rest: &[&str]| {
            let key = format!("{name}.key");
            openssl(path, &[&["req", "-config", "cnf", "-nodes", "-keyout", &key], kind.key, rest].concat());
        };
        new_key("root", &["-x509", "-days", "3650", "-subj", &subject, "-out", "root.pem"]);
        for leaf in ["good", "without", "lenient", "double", "encipher"] {
            let subject = format!("/O=Example/CN={leaf} timestamps");
            new_key(leaf, &["-new", "-subj", &subject, "-out", "csr"]);
            let sign =
                "x509 -req -in csr -CA root.pem -CAkey root.key -CAcreateserial -days 365 -extfile cnf";
            let mut sign: Vec<&str> = sign.split(' ').collect();
            let out = format!("{leaf}.pem");
            sign.extend(["-extensions", leaf, "-out", &out]);
            openssl(path, &sign);
        }
        Self { dir, digest: kind.digest }
    }

    pub(crate) fn root(&self) -> String {
        fs::read_to_string(self.dir.path().join("root.pem")).unwrap()
    }

    pub(crate) fn leaf(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(format!("{name}.pem"))).unwrap()
    }

    /// Its root, pinned since always.
    pub(crate) fn pinned(&self) -> Authorities {
        pinned(&self.root())
    }

    /// The answer of `openssl ts` to a request.
    pub(crate) fn answer(&self, request: &[u8]) -> Vec<u8> {
        self.answer_with(request, CONFIG)
    }

    fn answer_with(&self, request: &[u8], config: &str) -> Vec<u8> {
        let work = self.work();
        fs::write(work.path().join("cnf"), config).unwrap();
        fs::write(work.path().join("tsq"), request).unwrap();
        let line =
            "ts -reply -config cnf -queryfile tsq -signer good.pem -inkey good.key -chain root.pem -out tsr";
        let digest = format!("-{}", self.digest);
        let arguments: Vec<&str> = line.split(' ').chain([digest.as_str()]).collect();
        openssl(work.path(), &arguments);
        fs::read(work.path().join("tsr")).unwrap()
    }

    /// As OpenSSL 3.0 names certificates when it is not told: by SHA-1 only.
    pub(crate) fn date_by_sha_1(&self, data: &[u8]) -> Vec<u8> {
        let old = CONFIG.replace("ess_cert_id_alg = sha256", "ess_cert_id_alg = sha1");
        self.answer_with(&request(&Digest::of(data), &nonce()).unwrap(), &old)
    }

    /// An answer that dates `data`.
    pub(crate) fn date(&self, data: &[u8]) -> Vec<u8> {
        self.answer(&request(&Digest::of(data), &nonce()).unwrap())
    }

    /// An answer around signed data that `openssl cms` makes of any content, under any leaf.
    pub(crate) fn forge(&self, content: &[u8], leaf: &str, options: &str) -> Vec<u8> {
        let work = self.work();
        fs::write(work.path().join("content"), content).unwrap();
        let line = format!(
            "cms -sign -binary -nodetach -nosmimecap -in content -outform DER -out token -signer {leaf}.pem \
             -inkey {leaf}.key -md {} {options}",
            self.digest
        );
        openssl(work.path(), &line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>());
        let token = fs::read(work.path().join("token")).unwrap();
        sequence(&[&[0x30, 3, 2, 1, 0], token.as_slice()].concat())
    }

    /// A copy of everything, so that commands running at once have their own files.
    fn work(&self) -> TempDir {
        let work = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), work.path().join(entry.file_name())).unwrap();
        }
        fs::write(work.path().join("serial"), "0A\n").unwrap();
        work
    }
}

/// What makes `openssl cms` sign a `TSTInfo` as a timestamp authority does.
pub(crate) const AS_TSA: &str = "-cades -econtent_type 1.2.840.113549.1.9.16.1.4";

pub(crate) fn pinned(pem: &str) -> Authorities {
    let mut authorities = Authorities::new();
    authorities.add(pem, UtcSecond::from_unix(0).unwrap()).unwrap();
    authorities
}

pub(crate) fn nonce() -> Nonce {
    Nonce::new([0xff; 8])
}

/// The DER of the `TSTInfo` in an answer.
pub(crate) fn info(answer: &[u8]) -> Vec<u8> {
    let token = TimeStampResp::from_der(answer).unwrap().time_stamp_token.unwrap();
    let signed = SignedData::from_der(&token.content.to_der().unwrap()).unwrap();
    let content = signed.encap_content_info.econtent.unwrap();
    content.decode_as::<OctetString>().unwrap().into_bytes()
}

pub(crate) fn sequence(content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length: &[u8] = if content.len() < 128 { &[low] } else { &[0x82, high, low] };
    [&[0x30], length, content].concat()
}

pub(crate) fn openssl(dir: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
