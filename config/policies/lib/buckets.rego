# Buckets: what each call said of each.
package lib.buckets

all := data.lib.evidence.entries("s3.buckets", "ListBuckets", "Buckets")

# Calls of an operation on a bucket that answered: with an output or with a fact.
answers(operation, bucket) := object.get(answered, concat(" ", [operation, bucket]), [])

answered := {key: [call] |
	some operation in ["GetBucketPolicy", "GetBucketPolicyStatus", "GetPublicAccessBlock", "GetBucketEncryption"]
	some call in data.lib.evidence.calls("s3.buckets", operation)
	not call.value.error
	not call.value.vanished
	key := concat(" ", [operation, call.value.parameters.Bucket])
}

# Buckets that an operation was not answered for, with the reason that is a finding's.
unanswered(operation) := [finding |
	some bucket in all
	count(answers(operation, bucket.value.Name)) == 0
	finding := silent(operation, bucket.value.Name)
]

silent(operation, bucket) := {"subject": bucket, "status": "not-applicable", "reason": "was deleted while it was read"} if {
	gone(bucket)
	operation != ""
}

silent(operation, bucket) := {"subject": bucket, "status": "unknown", "reason": concat(" ", [operation, "was not answered"])} if {
	not gone(bucket)
}

gone(bucket) if bucket in vanished

vanished contains call.parameters.Bucket if {
	some document in input.documents
	some call in document.calls
	call.vanished
}
