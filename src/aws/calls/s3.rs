//! Calls of S3.

use super::calls;
use crate::aws::parameters::{int, text};

calls! {
    "s3" S3 {
        ListBuckets list_buckets {
            MaxBuckets set_max_buckets int, ContinuationToken set_continuation_token text,
            Prefix set_prefix text, BucketRegion set_bucket_region text,
        }
        GetBucketLocation get_bucket_location {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
        GetBucketPolicy get_bucket_policy {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
        GetBucketPolicyStatus get_bucket_policy_status {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
        GetPublicAccessBlock get_public_access_block {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
        GetBucketEncryption get_bucket_encryption {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
        GetBucketVersioning get_bucket_versioning {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
        GetBucketLogging get_bucket_logging {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
        GetObjectLockConfiguration get_object_lock_configuration {
            Bucket set_bucket text, ExpectedBucketOwner set_expected_bucket_owner text,
        }
    }
}
