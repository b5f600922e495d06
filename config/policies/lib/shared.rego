# Resources that another account shares with this one: judged where they belong, with a row that says so.
package lib.shared

foreign(thing) if thing.OwnerId != input.account

own(entries) := [entry | some entry in entries; not foreign(entry.value)]

findings(entries, key) := [finding |
	some entry in entries
	foreign(entry.value)
	finding := {
		"subject": entry.value[key],
		"status": "not-applicable",
		"reason": concat("", ["belongs to ", entry.value.OwnerId, " and is judged there"]),
		"pointers": [entry.at],
	}
]
