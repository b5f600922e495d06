# METADATA
# title: S3 buckets are closed to the public and encrypted
# description: >-
#   All four switches of Block Public Access on the bucket itself, a policy that AWS does not call public, and
#   default encryption.
# custom:
#   version: 1
#   scope: account
#   severity: high
#   criteria: [CC6.6, CC6.7]
#   inputs:
#     s3.buckets:
#       ListBuckets: [Buckets.Name]
#       GetPublicAccessBlock: []
#       GetBucketPolicyStatus: []
#       GetBucketEncryption: []
#   remediation: Switch Block Public Access on for the bucket and name the principals that need it.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/s3-controls.html#s3-8]
#   also:
#     securityhub: [S3.2, S3.3, S3.8]
#     prowler: [s3_bucket_level_public_access_block]
package evidenced.checks.s3_not_public

subjects contains bucket.value.Name if some bucket in data.lib.buckets.all

findings contains finding if {
	some operation in ["GetPublicAccessBlock", "GetBucketPolicyStatus", "GetBucketEncryption"]
	some finding in data.lib.buckets.unanswered(operation)
}

findings contains finding if {
	some bucket in data.lib.buckets.all
	some call in data.lib.buckets.answers("GetPublicAccessBlock", bucket.value.Name)
	call.value.fact
	finding := failed(bucket.value.Name, call.at, "blocks no public access")
}

findings contains finding if {
	some bucket in data.lib.buckets.all
	some call in data.lib.buckets.answers("GetPublicAccessBlock", bucket.value.Name)
	block := call.value.output.PublicAccessBlockConfiguration
	open := [field |
		some field in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
		object.get(block, field, false) != true
	]
	count(open) > 0
	finding := failed(bucket.value.Name, call.at, concat("", ["public access is not blocked by ", concat(", ", open)]))
}

findings contains finding if {
	some bucket in data.lib.buckets.all
	some call in data.lib.buckets.answers("GetBucketPolicyStatus", bucket.value.Name)
	call.value.output.PolicyStatus.IsPublic == true
	finding := failed(bucket.value.Name, call.at, "its policy makes it public")
}

findings contains finding if {
	some bucket in data.lib.buckets.all
	some call in data.lib.buckets.answers("GetBucketEncryption", bucket.value.Name)
	call.value.fact
	finding := failed(bucket.value.Name, call.at, "is not encrypted by default")
}

failed(name, at, why) := {"subject": name, "status": "fail", "reason": why, "pointers": [at]}
