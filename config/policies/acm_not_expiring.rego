# METADATA
# title: Certificates in use are valid and will still be
# description: >-
#   Imported certificates, and those that ACM will not renew, must have enough days left for a person to act;
#   managed ones follow the state of their renewal. Certificates validated by e-mail fail, because they do not
#   renew unattended. Those that nothing uses have a row with their last day.
# custom:
#   version: 1
#   scope: region
#   severity: high
#   criteria: [CC6.7]
#   inputs:
#     acm.certificates:
#       ListCertificates: [CertificateSummaryList.CertificateArn]
#       DescribeCertificate: [Certificate.CertificateArn, Certificate.Status, Certificate.Type]
#   parameters:
#     imported_min_days:
#       description: days that a certificate which nobody renews must have left
#       kind: integer
#       guide: 90
#       aws: 30
#     managed_min_days:
#       description: days that a certificate which ACM renews must have left
#       kind: integer
#       default: 30
#     pending_min_days:
#       description: days below which a renewal that waits for validation fails
#       kind: integer
#       default: 45
#   remediation: Import the next certificate, or see to the validation record that the renewal waits for.
#   references: [https://docs.aws.amazon.com/securityhub/latest/userguide/acm-controls.html#acm-1]
#   also:
#     securityhub: [ACM.1]
#     config: [ACM_CERTIFICATE_EXPIRATION_CHECK]
#     prowler: [acm_certificates_expiration_check]
package evidenced.checks.acm_not_expiring

listed := data.lib.evidence.entries("acm.certificates", "ListCertificates", "CertificateSummaryList")

described contains certificate.value.CertificateArn if some certificate in certificates

subjects contains summary.value.CertificateArn if some summary in listed

certificates := [{"at": concat("", [call.at, "/output/Certificate"]), "value": certificate} |
	some call in data.lib.evidence.calls("acm.certificates", "DescribeCertificate")
	certificate := call.value.output.Certificate
]

used(certificate) if count(object.get(certificate, "InUseBy", [])) > 0

findings contains finding if {
	some certificate in certificates
	used(certificate.value)
	some why in faults(certificate.value)
	finding := found(certificate, "fail", why)
}

findings contains finding if {
	some certificate in certificates
	used(certificate.value)
	certificate.value.Status == "ISSUED"
	not certificate.value.NotAfter
	finding := found(certificate, "unknown", "does not say when it expires")
}

findings contains finding if {
	some certificate in certificates
	not used(certificate.value)
	text := object.get(certificate.value, "NotAfter", "an unknown day")
	finding := found(certificate, "not-applicable", concat("", ["is not in use; ", certificate.value.Status, ", until ", text]))
}

# Listed, and gone when it was described, or not described at all.
findings contains finding if {
	some summary in listed
	not summary.value.CertificateArn in described
	finding := {"subject": summary.value.CertificateArn, "status": "unknown", "reason": "was listed and not described"}
}

faults(certificate) := {why | why := concat(" ", ["is in use and", certificate.Status]); certificate.Status != "ISSUED"} | issued(certificate)

issued(certificate) := set() if certificate.Status != "ISSUED"

issued(certificate) := (short(certificate) | renewal(certificate)) | mail(certificate) if certificate.Status == "ISSUED"

# Nobody renews an imported certificate; a managed one renews by itself, well before it ends.
least(certificate) := input.parameters.imported_min_days if not renews(certificate)

least(certificate) := input.parameters.managed_min_days if renews(certificate)

renews(certificate) if {
	certificate.Type != "IMPORTED"
	object.get(certificate, "RenewalEligibility", "INELIGIBLE") == "ELIGIBLE"
}

short(certificate) := {why |
	left := data.lib.time.left(certificate.NotAfter)
	least_days := least(certificate)
	left < least_days
	why := concat("", ["expires in ", format_int(left, 10), " days (", certificate.NotAfter, "), fewer than ", format_int(least_days, 10)])
}

renewal(certificate) := {why |
	renews(certificate)
	status := certificate.RenewalSummary.RenewalStatus
	status in {"FAILED", "PENDING_VALIDATION"}
	stuck(status, certificate)
	why := concat(" ", ["its renewal is", status])
}

stuck(status, _) if status == "FAILED"

stuck(status, certificate) if {
	status == "PENDING_VALIDATION"
	data.lib.time.left(certificate.NotAfter) < input.parameters.pending_min_days
}

mail(certificate) := {why |
	certificate.Type == "AMAZON_ISSUED"
	some option in object.get(certificate, "DomainValidationOptions", [])
	option.ValidationMethod == "EMAIL"
	why := concat(" ", [option.DomainName, "is validated by e-mail, which does not renew unattended"])
}

found(certificate, status, why) := {
	"subject": certificate.value.CertificateArn,
	"status": status,
	"reason": why,
	"observed": {"notAfter": object.get(certificate.value, "NotAfter", null), "status": certificate.value.Status},
	"expected": input.parameters,
	"pointers": [certificate.at],
}
