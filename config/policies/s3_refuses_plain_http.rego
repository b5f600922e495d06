# METADATA
# title: S3 buckets refuse plain HTTP
# description: >-
#   The bucket policy denies every action to everyone on the bucket and on its objects when the request is not
#   by TLS, and on no condition that narrows it. A bucket without a policy fails; one whose policy could not be
#   read is unknown.
# custom:
#   version: 2
#   scope: account
#   severity: medium
#   criteria: [CC6.7]
#   inputs:
#     s3.buckets:
#       ListBuckets: [Buckets.Name]
#       GetBucketPolicy: []
#   remediation: Add the statement of the AWS guide to the bucket policy.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/s3-controls.html#s3-5]
#   also:
#     securityhub: [S3.5]
#     config: [s3-bucket-ssl-requests-only]
#     prowler: [s3_bucket_secure_transport_policy]
package evidenced.checks.s3_refuses_plain_http

subjects contains bucket.value.Name if some bucket in data.lib.buckets.all

findings contains finding if some finding in data.lib.buckets.unanswered("GetBucketPolicy")

findings contains finding if {
	some bucket in data.lib.buckets.all
	some call in data.lib.buckets.answers("GetBucketPolicy", bucket.value.Name)
	call.value.fact
	finding := failed(bucket.value.Name, call.at, "has no bucket policy")
}

findings contains finding if {
	some bucket in data.lib.buckets.all
	some call in data.lib.buckets.answers("GetBucketPolicy", bucket.value.Name)
	name := bucket.value.Name
	policy := json.unmarshal(call.value.output.Policy)
	policy.Statement
	not refused(name, resources(policy))
	finding := failed(name, concat("", [call.at, "/output/Policy"]), "its policy does not deny plain HTTP to everyone on the bucket and its objects")
}

findings contains finding if {
	some bucket in data.lib.buckets.all
	some call in data.lib.buckets.answers("GetBucketPolicy", bucket.value.Name)
	policy := json.unmarshal(call.value.output.Policy)
	not policy.Statement
	finding := {
		"subject": bucket.value.Name,
		"status": "unknown",
		"reason": "what came as its policy has no statement",
		"pointers": [concat("", [call.at, "/output/Policy"])],
	}
}

failed(name, at, why) := {
	"subject": name,
	"status": "fail",
	"reason": why,
	"expected": "Deny for Principal * of s3:* on the bucket and its objects where aws:SecureTransport is false",
	"pointers": [at],
}

# Resources of the statements that deny everything to everyone over plain HTTP, and on no other condition.
resources(policy) := {resource |
	some statement in listed(policy.Statement)
	statement.Effect == "Deny"
	everyone(statement.Principal)
	some action in listed(statement.Action)
	lower(action) in {"*", "s3:*"}
	insecure(statement.Condition)
	some resource in listed(statement.Resource)
}

refused(name, covered) if {
	some bucket in covered
	holds_bucket(bucket, name)
	some objects in covered
	holds_objects(objects, name)
}

holds_bucket(resource, name) if resource in {"*", "arn:*", "arn:aws:s3:::*"}

holds_bucket(resource, name) if split(resource, ":::")[1] in {name, concat("", [name, "*"])}

holds_objects(resource, name) if resource in {"*", "arn:*", "arn:aws:s3:::*"}

holds_objects(resource, name) if split(resource, ":::")[1] in {concat("", [name, "/*"]), concat("", [name, "*"])}

everyone(principal) if principal == "*"

everyone(principal) if "*" in listed(principal.AWS)

insecure(condition) if {
	count(condition) == 1
	some operator, keys in condition
	lower(operator) in {"bool", "boolifexists"}
	count(keys) == 1
	some key, values in keys
	lower(key) == "aws:securetransport"
	every value in listed(values) {
		value in {false, "false", "False", "FALSE"}
	}
	count(listed(values)) > 0
}

listed(value) := value if is_array(value)

listed(value) := [value] if not is_array(value)
