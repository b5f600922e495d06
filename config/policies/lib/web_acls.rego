# Web ACLs: the managed groups that they apply, and what they protect.
package lib.web_acls

# Rules that apply a managed group: the ACL's own, and those of Firewall Manager before and behind them.
applying(acl, name) := array.concat(own, managed) if {
	own := [rule | some rule in acl.Rules; rule.Statement.ManagedRuleGroupStatement.VendorName == "AWS"; rule.Statement.ManagedRuleGroupStatement.Name == name]
	managed := [group |
		some side in ["PreProcessFirewallManagerRuleGroups", "PostProcessFirewallManagerRuleGroups"]
		some group in object.get(acl, side, [])
		group.FirewallManagerStatement.ManagedRuleGroupStatement.VendorName == "AWS"
		group.FirewallManagerStatement.ManagedRuleGroupStatement.Name == name
	]
}

blocks(rule) if {
	rule.OverrideAction.None == {}
	count(softened(rule)) == 0
}

statement(rule) := rule.Statement.ManagedRuleGroupStatement if rule.Statement

statement(rule) := rule.FirewallManagerStatement.ManagedRuleGroupStatement if not rule.Statement

softened(rule) := {name |
	some override in object.get(statement(rule), "RuleActionOverrides", [])
	some action in ["Count", "Allow"]
	override.ActionToUse[action]
	name := override.Name
} | {name | some excluded in object.get(statement(rule), "ExcludedRules", []); name := excluded.Name}

version(rule) := concat(" ", ["", statement(rule).Version]) if statement(rule).Version

version(rule) := "" if not statement(rule).Version

narrowed(rule) := " (narrowed by a scope-down statement)" if statement(rule).ScopeDownStatement

narrowed(rule) := "" if not statement(rule).ScopeDownStatement

resources(arn) := [call |
	some call in data.lib.evidence.calls("waf.web-acls", "ListResourcesForWebACL")
	call.value.parameters.WebACLArn == arn
]

in_use(arn) if {
	some call in resources(arn)
	count(call.value.output.ResourceArns) > 0
}

known_all(known, failed) := true if {
	known
	count(failed) == 0
}

known_all(known, _) := false if not known

known_all(_, failed) := false if count(failed) > 0
