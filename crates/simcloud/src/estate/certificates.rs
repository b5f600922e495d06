//! Certificates of ACM, with their renewal.
//!
//! Ten shapes in turn. Those with elliptic-curve and long RSA keys are listed only when asked for by key type.

use serde_json::{Value, json};

use super::{Estate, iso, list};

/// What there is to say about one shape.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) imported: bool,
    /// Days left; none before issue.
    pub(crate) days: Option<i64>,
    pub(crate) status: &'static str,
    key: &'static str,
    pub(crate) renewal: Option<&'static str>,
    eligible: bool,
    email: bool,
}

const fn shape(name: &'static str, days: Option<i64>, status: &'static str, key: &'static str) -> Shape {
    Shape { name, imported: false, days, status, key, renewal: None, eligible: true, email: false }
}

const SHAPES: [Shape; 10] = [
    Shape { renewal: Some("SUCCESS"), ..shape("managed-renewed", Some(190), "ISSUED", "RSA-2048") },
    Shape { imported: true, eligible: false, ..shape("imported-60", Some(60), "ISSUED", "RSA-2048") },
    Shape { imported: true, eligible: false, ..shape("imported-400", Some(400), "ISSUED", "RSA-2048") },
    Shape {
        renewal: Some("PENDING_VALIDATION"),
        email: true,
        ..shape("managed-pending-renewal", Some(20), "ISSUED", "RSA-2048")
    },
    Shape { imported: true, eligible: false, ..shape("imported-expired", Some(-10), "EXPIRED", "RSA-1024") },
    shape("managed-91-ec", Some(91), "ISSUED", "EC-prime256v1"),
    Shape { imported: true, eligible: false, ..shape("imported-10-rsa4096", Some(10), "ISSUED", "RSA-4096") },
    Shape { eligible: false, ..shape("pending-validation", None, "PENDING_VALIDATION", "RSA-2048") },
    Shape { renewal: Some("FAILED"), ..shape("managed-renewal-failed", Some(40), "ISSUED", "RSA-2048") },
    shape("managed-89-wildcard", Some(89), "ISSUED", "EC-secp384r1"),
];

impl Estate<'_> {
    /// How many certificates there are.
    pub(crate) fn certificates(&self) -> u64 {
        self.scaled(9, 1)
    }

    pub(crate) fn certificate_shape(n: u64) -> &'static Shape {
        let [first, ..] = &SHAPES;
        usize::try_from(n).ok().and_then(|n| SHAPES.get(n % SHAPES.len())).unwrap_or(first)
    }

    pub(crate) fn certificate_arn(&self, n: u64) -> String {
        self.arn("acm", &format!("certificate/{}", self.uuid("certificate", n)))
    }

    /// The balancers that use a certificate.
    pub(crate) fn certificate_users(&self, n: u64) -> Vec<String> {
        (0..self.balancers())
            .filter(|balancer| {
                let shape = Self::balancer_shape(*balancer);
                Self::certificate_of(*balancer) == n && (shape.contains("https") || shape.contains("tls"))
            })
            .map(|balancer| self.balancer_arn(balancer))
            .collect()
    }

    fn names(&self, n: u64) -> Vec<String> {
        let shape = Self::certificate_shape(n);
        let main = if shape.name.contains("wildcard") {
            format!("*.{}.example.com", self.region)
        } else {
            format!("{}-{n}.{}.example.com", shape.name, self.region)
        };
        let mut names = vec![main];
        if n.is_multiple_of(3) {
            names.extend((0..(n % 4) * 40).map(|alt| format!("alt{alt}.example.com")));
        }
        names
    }

    fn times(&self, n: u64) -> Vec<(&'static str, Value)> {
        let shape = Self::certificate_shape(n);
        let created = self.config.now - 86_400 * 100;
        let mut times = vec![("CreatedAt", json!(super::iso_micros(created, 214_000)))];
        if shape.imported {
            times.push(("ImportedAt", json!(super::iso_micros(created, 300_000))));
        }
        if let Some(days) = shape.days {
            let not_after = self.config.now + days * 86_400 + 3_600;
            times.push(("NotBefore", json!(iso(not_after - 395 * 86_400))));
            times.push(("NotAfter", json!(iso(not_after))));
            if !shape.imported {
                times.push(("IssuedAt", json!(super::iso_micros(created + 90, 9_000))));
            }
        }
        times
    }

    /// Answers `ListCertificates` for these key types; none: those that ACM lists by default.
    pub(crate) fn list_certificates(&self, key_types: &[String]) -> Value {
        let wanted = |key: &str| {
            let key = key.replace('-', "_");
            if key_types.is_empty() {
                key == "RSA_1024" || key == "RSA_2048"
            } else {
                key_types.contains(&key)
            }
        };
        let listed = (0..self.certificates()).filter(|n| wanted(Self::certificate_shape(*n).key));
        json!({"CertificateSummaryList": list(listed.map(|n| {
            let shape = Self::certificate_shape(n);
            let names = self.names(n);
            let mut answer = json!({
                "CertificateArn": self.certificate_arn(n),
                "DomainName": names.first(),
                "SubjectAlternativeNameSummaries": names.iter().take(100).collect::<Vec<_>>(),
                "HasAdditionalSubjectAlternativeNames": names.len() > 100,
                "Status": shape.status,
                "Type": if shape.imported { "IMPORTED" } else { "AMAZON_ISSUED" },
                "KeyAlgorithm": shape.key,
                "KeyUsages": ["DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"],
                "ExtendedKeyUsages": ["TLS_WEB_SERVER_AUTHENTICATION"],
                "ExportOption": "DISABLED",
                "InUse": !self.certificate_users(n).is_empty(),
                "RenewalEligibility": if shape.eligible { "ELIGIBLE" } else { "INELIGIBLE" },
            });
            if let Some(members) = answer.as_object_mut() {
                members.extend(self.times(n).into_iter().map(|(key, time)| (key.to_owned(), time)));
            }
            answer
        }))})
    }

    /// Answers `DescribeCertificate`; `None` when there is no such certificate.
    pub(crate) fn describe_certificate(&self, arn: &str) -> Option<Value> {
        let n = (0..self.certificates()).find(|n| self.certificate_arn(*n) == arn)?;
        let shape = Self::certificate_shape(n);
        let names = self.names(n);
        let mut answer = json!({
            "CertificateArn": arn,
            "DomainName": names.first(),
            "SubjectAlternativeNames": names,
            "Subject": format!("CN={}", names.first().map_or("", String::as_str)),
            "Issuer": if shape.imported { "Example & Sons CA" } else { "Amazon" },
            "Status": shape.status,
            "KeyAlgorithm": shape.key,
            "SignatureAlgorithm": if shape.key.starts_with("EC") { "SHA384WITHECDSA" } else { "SHA256WITHRSA" },
            "InUseBy": self.certificate_users(n),
            "Type": if shape.imported { "IMPORTED" } else { "AMAZON_ISSUED" },
            "KeyUsages": [{"Name": "DIGITAL_SIGNATURE"}, {"Name": "KEY_ENCIPHERMENT"}],
            "ExtendedKeyUsages": [{"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"}],
            "RenewalEligibility": if shape.eligible { "ELIGIBLE" } else { "INELIGIBLE" },
            "Options": {"CertificateTransparencyLoggingPreference": "ENABLED", "Export": "DISABLED"},
        });
        let members = answer.as_object_mut()?;
        members.extend(self.times(n).into_iter().map(|(key, time)| (key.to_owned(), time)));
        if shape.days.is_some() {
            let serial: Vec<String> =
                (0..16).map(|at| format!("{:02x}", self.hash("serial", n * 16 + at) & 0xff)).collect();
            members.insert("Serial".to_owned(), json!(serial.join(":")));
        }
        if !shape.imported {
            let validation = |status: &str| {
                let name = names.first().cloned().unwrap_or_default();
                if shape.email {
                    json!([{
                        "DomainName": name, "ValidationEmails": ["admin@example.com", "webmaster@example.com"],
                        "ValidationDomain": name, "ValidationStatus": status, "ValidationMethod": "EMAIL",
                    }])
                } else {
                    json!([{
                        "DomainName": name, "ValidationDomain": name, "ValidationStatus": status,
                        "ResourceRecord": {
                            "Name": format!("_{:016x}.{name}.", self.hash("cname", n)),
                            "Type": "CNAME",
                            "Value": format!("_{:016x}.acm-validations.aws.", self.hash("cname-value", n)),
                        },
                        "ValidationMethod": "DNS",
                    }])
                }
            };
            let issued = if shape.days.is_some() { "SUCCESS" } else { "PENDING_VALIDATION" };
            members.insert("DomainValidationOptions".to_owned(), validation(issued));
            if let Some(renewal) = shape.renewal {
                let mut summary = json!({
                    "RenewalStatus": renewal,
                    "DomainValidationOptions": validation(if renewal == "SUCCESS" { "SUCCESS" } else { renewal }),
                    "UpdatedAt": super::iso_micros(self.config.now - 86_400 * 3, 123_456),
                });
                if let (true, Some(summary)) = (renewal == "FAILED", summary.as_object_mut()) {
                    summary.insert("RenewalStatusReason".to_owned(), json!("DOMAIN_NOT_ALLOWED"));
                }
                members.insert("RenewalSummary".to_owned(), summary);
            }
        }
        Some(json!({"Certificate": answer}))
    }
}
