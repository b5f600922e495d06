# METADATA
# title: Certificates have keys that last
# description: >-
#   RSA of 2048 bits or more, or an elliptic curve. Wildcards fail under the profile aws; the guide asks for
#   one.
# custom:
#   version: 1
#   scope: region
#   severity: medium
#   criteria: [CC6.7]
#   inputs:
#     acm.certificates:
#       ListCertificates: [CertificateSummaryList.CertificateArn]
#       DescribeCertificate: [Certificate.CertificateArn, Certificate.KeyAlgorithm, Certificate.DomainName]
#   parameters:
#     algorithms:
#       description: key algorithms that pass
#       kind: texts
#       default: ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
#     forbid_wildcards:
#       description: whether a wildcard name fails
#       kind: boolean
#       guide: false
#       aws: true
#   remediation: Request a certificate with a longer key and replace this one.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/acm-controls.html#acm-2]
#   also:
#     securityhub: [ACM.2, ACM.3]
#     prowler: [acm_certificates_with_secure_key_algorithms]
package evidenced.checks.acm_key_strength

listed := data.lib.evidence.entries("acm.certificates", "ListCertificates", "CertificateSummaryList")

described contains certificate.value.CertificateArn if some certificate in certificates

subjects contains summary.value.CertificateArn if some summary in listed

certificates := [{"at": concat("", [call.at, "/output/Certificate"]), "value": certificate} |
	some call in data.lib.evidence.calls("acm.certificates", "DescribeCertificate")
	certificate := call.value.output.Certificate
]

findings contains finding if {
	some certificate in certificates
	algorithm := replace(certificate.value.KeyAlgorithm, "-", "_")
	not algorithm in input.parameters.algorithms
	finding := found(certificate, concat(" ", ["its key is", algorithm]))
}

findings contains finding if {
	some certificate in certificates
	input.parameters.forbid_wildcards
	some name in array.concat([certificate.value.DomainName], object.get(certificate.value, "SubjectAlternativeNames", []))
	startswith(name, "*.")
	finding := found(certificate, concat(" ", ["is for the wildcard", name]))
}

findings contains finding if {
	some summary in listed
	not summary.value.CertificateArn in described
	finding := {"subject": summary.value.CertificateArn, "status": "unknown", "reason": "was listed and not described"}
}

found(certificate, why) := {
	"subject": certificate.value.CertificateArn,
	"status": "fail",
	"reason": why,
	"observed": certificate.value.KeyAlgorithm,
	"expected": input.parameters.algorithms,
	"pointers": [certificate.at],
}
