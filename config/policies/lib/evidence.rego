# The documents of the input: entries of lists and calls, each with the pointer at which it stands.
package lib.evidence

# Entries of a list in every answer of an operation, each as {at, value}.
entries(item, operation, list) := [{"at": concat("/", [call.at, "output", list, format_int(number, 10)]), "value": value} |
	some call in calls(item, operation)
	some number
	value := call.value.output[list][number]
]

# Calls of an operation, each as {at, value}: answered or not.
calls(item, operation) := [{"at": concat("", [name, "#/calls/", format_int(number, 10)]), "value": call} |
	some name
	document := input.documents[name]
	split(name, "/")[1] == item
	some number
	call := document.calls[number]
	call.operation == operation
]
