// Runs the suites under the platform's own Node, counts them, and holds docs/faults.md and the OpenAPI documents to
// what ran.
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { pathToFileURL } from 'node:url';
import { uncalledOperations } from '../test/support/operations.ts';
import { ROOT } from './run.mjs';

const wanted = process.argv.slice(2);
const all = globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'web/src/**/*.test.ts'], { cwd: ROOT });
// The long ones first, so that the last minutes are not one suite on one core.
const files = all
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort((a, b) => Number(b.startsWith('test/')) - Number(a.startsWith('test/')) || a.localeCompare(b));
if (files.length === 0) {
  console.error(`no suite has ${wanted.join(' or ')} in its path`);
  process.exit(2);
}

// Which operations are called is put down in every process that the tests start.
const records = wanted.length === 0 ? mkdtempSync(join(tmpdir(), 'avishkar-records-')) : null;
if (records) {
  process.env.AVISHKAR_TEST_RECORDS = records;
  const recorder = pathToFileURL(join(ROOT, 'test', 'support', 'record-calls.mjs'));
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${recorder}`.trim();
}

const count = { passed: 0, failed: 0, skipped: 0 };
const passed = new Set();
const failures = [];
let suitesSkipped = false;
for (const group of groups(files)) await runGroup(group);

async function runGroup(group) {
  const stream = run({ files: group.map((file) => join(ROOT, file)), concurrency: 2, cwd: ROOT });
  stream.on('test:pass', (test) => {
    if (test.skip !== undefined) suitesSkipped = true;
    if (test.details.type === 'suite') return;
    if (test.skip !== undefined || test.todo !== undefined) count.skipped += 1;
    else {
      count.passed += 1;
      passed.add(test.name);
    }
  });
  stream.on('test:fail', (test) => {
    // A suite fails because a test in it did, which is counted already; unless it could not even begin.
    if (test.details.type === 'suite' && test.details.error?.failureType === 'subtestsFailed') return;
    count.failed += 1;
    failures.push(`${test.file ? `${relative(ROOT, test.file)}: ` : ''}${test.name}`);
  });
  stream.compose(spec).pipe(process.stdout, { end: false });
  await new Promise((done) => stream.on('end', done));
}

/** A browser gives up what it is loading when the machine gets another network card, as it does with each fleet. */
function groups(all) {
  const inFleet = (file) => file.startsWith('test/fleet/');
  const inBrowser = (file) => file.includes('/browser-');
  return [
    all.filter((file) => !inFleet(file)),
    all.filter((file) => inFleet(file) && !inBrowser(file)),
    all.filter((file) => inFleet(file) && inBrowser(file)),
  ].filter((group) => group.length > 0);
}

// Where something that tests need is missing, what they show is not seen; where all has to be there, nothing is skipped.
if (wanted.length === 0 && (process.env.CI === 'true' || !suitesSkipped)) {
  for (const name of faultsWithoutTest(passed)) {
    count.failed += 1;
    failures.push(`docs/faults.md names a test that did not pass: ${name}`);
  }
}
if (records) {
  const uncalled = uncalledOperations(records) ?? ['all of them: test/e2e/openapi.test.ts did not list them'];
  for (const name of uncalled) {
    count.failed += 1;
    failures.push(`no test calls this operation of an OpenAPI document: ${name}`);
  }
  rmSync(records, { recursive: true });
}
// The reporter's own output is still on its way through the pipe.
setImmediate(() => {
  if (failures.length > 0) console.log(`\nFailed:\n${failures.map((name) => `  ${name}`).join('\n')}`);
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  console.log(`\n${count.passed} passed, ${count.failed} failed${skipped}`);
  process.exitCode = count.failed === 0 && count.passed > 0 ? 0 : 1;
});

/** The last column of each row of docs/faults.md names tests in backticks. */
function faultsWithoutTest(ran) {
  const rows = readFileSync(join(ROOT, 'docs', 'faults.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('`'));
  return rows
    .flatMap((row) => [...(row.split('|').at(-2) ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1]))
    .filter((name) => !ran.has(name));
}
