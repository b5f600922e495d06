//! Calls of Certificate Manager.

use aws_sdk_acm::types::Filters;
use serde_json::Value;

use super::calls;
use crate::aws::parameters::{Read, int, members, text, word, words};

calls! {
    "acm" Acm {
        ListCertificates list_certificates {
            CertificateStatuses set_certificate_statuses words, Includes set_includes includes,
            CertificateKeyPairOrigins set_certificate_key_pair_origins words,
            NextToken set_next_token text, MaxItems set_max_items int, SortBy set_sort_by word,
            SortOrder set_sort_order word,
        }
        DescribeCertificate describe_certificate { CertificateArn set_certificate_arn text }
    }
}

fn includes(value: &Value) -> Read<Filters> {
    let read = |value| {
        let members = members(value, &["extendedKeyUsage", "keyUsage", "keyTypes"])?;
        let filters = Filters::builder()
            .set_extended_key_usage(members.get("extendedKeyUsage").map(words).transpose().ok()?)
            .set_key_usage(members.get("keyUsage").map(words).transpose().ok()?)
            .set_key_types(members.get("keyTypes").map(words).transpose().ok()?);
        Some(filters.build())
    };
    read(value).ok_or("an object of keyTypes, keyUsage and extendedKeyUsage")
}
