// What zones and recurrences take, in one: `occurrences.ts` loads it when it is first needed.

export { isCron, recurringStarts, shortestInterval, wantedStart } from './recurrence.ts';
export { parseRule, untilTime } from './recurrence-rule.ts';
export { notesOn } from './schedule-notes.ts';
export { isZone, parseTime } from './wall-time.ts';
