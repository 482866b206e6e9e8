import type { Check } from '../domain/check.ts';
import type { Output } from './output.ts';

const MARKS = { ok: 'ok', warning: 'warning', failed: 'FAILED' } as const;
const COLOURS = { ok: 'green', warning: 'yellow', failed: 'red' } as const;

/** Says what was looked at, one by one, with what to do; fails the command when something has to be done. */
export function sayChecks(out: Output, checks: readonly Check[]): void {
  for (const { name, status, detail, remedy } of checks) {
    out.say(`${out.paint(COLOURS[status], MARKS[status].padEnd(8))} ${name}: ${detail}`);
    if (remedy) out.say(`         ${remedy}`);
  }
  const failed = checks.filter(({ status }) => status === 'failed').length;
  const warnings = checks.filter(({ status }) => status === 'warning').length;
  out.say(failed + warnings === 0 ? 'Nothing is wrong.' : `${failed} failed, ${warnings} to look at.`);
  if (failed > 0) process.exitCode = 1;
}
