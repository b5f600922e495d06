# Days between times, by the calendar: a policy has no clock but `input.now`.
package lib.time

# Days from the start of the run to a time; negative when it is past.
left(text) := days(text) - days(input.now)

# The number of a day, counted from 4713 BC.
days(text) := number if {
	year := to_number(substring(text, 0, 4))
	month := two(substring(text, 5, 2))
	day := two(substring(text, 8, 2))
	early := floor((14 - month) / 12)
	y := (year + 4800) - early
	m := (month + (12 * early)) - 3
	leaps := (floor(y / 4) - floor(y / 100)) + floor(y / 400)
	number := (((day + floor(((153 * m) + 2) / 5)) + (365 * y)) + leaps) - 32045
}

# A number of two digits: 08 is none of JSON's.
two(text) := to_number(concat("", ["1", text])) - 100
