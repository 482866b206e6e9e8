import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Every operation of every service's OpenAPI document is called by a test: a whole run fails otherwise. Where it is
 * recorded, AVISHKAR_TEST_RECORDS names a folder (bin/run-tests.mjs makes one per run):
 *
 * - `calls-PID`: what was called in each process that serves, written by record-calls.mjs, which is loaded into all of
 *   them. A call counts when it reaches the route's handler.
 * - `operations`: what the documents list, written by openapi.test.ts.
 *
 * What the platform's services ask of one another does not count: it shows nothing of what an outsider gets. Only on
 * routes that are for services alone (`access: 'service'`) it does, as nobody else is meant to call those.
 */

const OPERATIONS = 'operations';

/** `application-manager GET /api/deployedApps/{name}` */
export function operationName(service: string, method: string, path: string): string {
  return `${service} ${method.toUpperCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`;
}

/** Puts down what a service's document lists. Nothing is done where nothing is recorded. */
export function recordOperations(names: readonly string[], folder = process.env.AVISHKAR_TEST_RECORDS): void {
  if (folder) appendFileSync(join(folder, OPERATIONS), names.map((name) => `${name}\n`).join(''));
}

/** The operations that nobody called; null when none were put down. */
export function uncalledOperations(folder: string): string[] | null {
  const files = readdirSync(folder);
  if (!files.includes(OPERATIONS)) return null;
  const linesOf = (file: string): string[] => readFileSync(join(folder, file), 'utf8').split('\n').filter(Boolean);
  const called = new Set(files.filter((file) => file.startsWith('calls-')).flatMap(linesOf));
  return [...new Set(linesOf(OPERATIONS))].filter((name) => !called.has(name)).sort();
}
