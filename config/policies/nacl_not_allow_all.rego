# METADATA
# title: Network ACLs of subnets do not let everything through
# description: >-
#   An entry that allows every protocol for addresses that together are the internet, where no earlier entry
#   denies them. Default ACLs, which AWS makes that way, have a row with isDefault.
# custom:
#   version: 2
#   scope: region
#   severity: low
#   criteria: [CC6.6]
#   inputs:
#     vpc.network-acls:
#       DescribeNetworkAcls: [NetworkAcls.NetworkAclId, NetworkAcls.Entries, NetworkAcls.Entries.RuleNumber, NetworkAcls.Entries.Protocol, NetworkAcls.Entries.RuleAction, NetworkAcls.Entries.Egress]
#   parameters:
#     ways:
#       description: "directions that are looked at: in, out"
#       kind: texts
#       default: ["in"]
#   remediation: Replace the entry by the ports and addresses that the subnet needs.
#   references: [https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html]
#   also:
#     prowler: [ec2_networkacl_allow_ingress_any_port]
#     scoutsuite: [vpc-default-network-acls-allow-all-ingress, vpc-custom-network-acls-allow-all-ingress]
package evidenced.checks.nacl_not_allow_all

subjects contains nacl.value.NetworkAclId if some nacl in data.lib.nacls.all

findings contains finding if some finding in data.lib.nacls.foreign

findings contains finding if {
	some nacl in data.lib.nacls.own
	count(object.get(nacl.value, "Associations", [])) == 0
	finding := {
		"subject": nacl.value.NetworkAclId,
		"status": "not-applicable",
		"reason": "is associated with no subnet",
	}
}

findings contains finding if {
	some nacl in data.lib.nacls.own
	count(object.get(nacl.value, "Associations", [])) > 0
	some way, egress in {"in": false, "out": true}
	way in input.parameters.ways
	chosen := data.lib.nacls.effective(nacl.value, egress, "all", 0)
	data.lib.nacls.together(nacl.value, chosen)
	texts := concat("; ", sort([data.lib.nacls.words(nacl.value.Entries[number]) | some number in chosen]))
	finding := {
		"subject": nacl.value.NetworkAclId,
		"status": "fail",
		"reason": concat("", ["lets everything ", way, ": ", texts]),
		"observed": {"rules": texts, "isDefault": object.get(nacl.value, "IsDefault", false)},
		"expected": "no entry for every protocol and the whole internet",
		"pointers": [data.lib.nacls.place(nacl, number) | some number in chosen],
	}
}
