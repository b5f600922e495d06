// Slots: the instants of a schedule, five numeric cron fields in UTC (docs/BUNDLE.md, "The log").
//
// When both day fields are restricted, either one is enough. Vectors: tests/vectors. Nothing here reads a clock.

const FIELDS = [[0, 59], [0, 23], [1, 31], [1, 12], [0, 7]];
const DAY = 86_400_000;

/** The sets of a schedule; undefined when it is none. */
function parseSchedule(text) {
  const fields = text.split(" ");
  if (fields.length !== 5) return undefined;
  const sets = fields.map((field, at) => parseField(field, ...FIELDS[at]));
  if (sets.includes(undefined)) return undefined;
  const [minutes, hours, days, months, weekdays] = sets;
  if (weekdays.has(7)) weekdays.add(0);
  return { minutes: sorted(minutes), hours: sorted(hours), days, months, weekdays, anyDay: fields[2] === "*", anyWeekday: fields[4] === "*" };
}

const sorted = (numbers) => [...numbers].sort((left, right) => left - right);

function parseField(field, least, most) {
  const found = new Set();
  for (const part of field.split(",")) {
    const match = /^(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:\/([0-9]{1,2}))?$/.exec(part);
    if (!match) return undefined;
    const [, first, last, step] = match;
    const from = Number(first ?? least);
    const to = Number(last ?? (first === undefined || step !== undefined ? most : from));
    if (from < least || to > most || from > to || Number(step ?? 1) < 1) return undefined;
    for (let number = from; number <= to; number += Number(step ?? 1)) found.add(number);
  }
  return found;
}

/** The slots behind `after` and before `before`, both in milliseconds, as instants in text. */
function* slotsBetween(schedule, after, before) {
  for (let day = Math.floor(after / DAY) * DAY; day < before; day += DAY) {
    const date = new Date(day);
    if (!schedule.months.has(date.getUTCMonth() + 1)) continue;
    const onDay = schedule.days.has(date.getUTCDate());
    const onWeekday = schedule.weekdays.has(date.getUTCDay());
    if (schedule.anyDay || schedule.anyWeekday ? !(onDay && onWeekday) : !(onDay || onWeekday)) continue;
    for (const hour of schedule.hours) {
      for (const minute of schedule.minutes) {
        const time = day + (hour * 60 + minute) * 60_000;
        if (time > after && time < before) yield new Date(time).toISOString().replace(".000Z", "Z");
      }
    }
  }
}

/** Whether an instant is one of the schedule. */
function isSlot(schedule, slot) {
  const time = parseTime(slot);
  return [...slotsBetween(schedule, time - 1, time + 1)].length === 1;
}
