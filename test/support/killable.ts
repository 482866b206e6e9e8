import { appendFileSync, existsSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from '../../src/kernel/service.ts';
import { readConfig } from '../../src/main/config.ts';
import { readConfigFile } from '../../src/main/config-file.ts';
import { start } from '../../src/main/start.ts';
import { signIn } from './api.ts';

// The real platform, but for four things: it dies of SIGKILL at the journal point named in KILL_AT, it holds its breath
// at each of which there is a pipe of that name in the folder PAUSES until somebody writes into it, it asks itself to
// cancel instance CANCEL at the one named in CANCEL_AT, and its transactions are aborted and run again at random.
const args = process.argv.slice(3);
const flag = (name: string): string => args[args.indexOf(name) + 1] ?? '';
const [first = 0, last = 0] = flag('--replica-ports').split('-').map(Number);

const configFile = flag('--config');

let cancelled = false;

const platform = await start(
  readConfig({
    ...(args.includes('--config') ? readConfigFile(configFile, process.env) : {}),
    home: flag('--home'),
    port: Number(flag('--port')),
    firstPort: Number(flag('--first-port')),
    replicaPorts: { first, last },
    demo: false,
  }),
  {
    adminPassword: process.env.AVISHKAR_ADMIN_PASSWORD,
    hooks: {
      abortAndRerun: () => Math.random() < 0.1,
      onJournal(point) {
        if (process.env.JOURNAL_FILE) appendFileSync(process.env.JOURNAL_FILE, `${point}\n`);
        if (point === process.env.KILL_AT) process.kill(process.pid, 'SIGKILL');
        const pipe = process.env.PAUSES ? join(process.env.PAUSES, point) : null;
        if (pipe && existsSync(pipe)) {
          writeSync(1, `paused at ${point}\n`);
          readFileSync(pipe);
          rmSync(pipe);
        }
        if (point === process.env.CANCEL_AT && !cancelled) void cancel(process.env.CANCEL ?? '');
      },
    },
  },
);
process.on('SIGTERM', () => void platform.stop());
// The service named in CRASH dies, as far as a part of a process can: it no longer listens.
process.on('SIGUSR2', () => void platform.composition.running(process.env.CRASH as ServiceName)?.http.close());
process.stdout.write(`Avishkar is ready at ${platform.url}\n`);

/** Asks as a user would, while the step that was journaled goes on. */
async function cancel(instanceName: string): Promise<void> {
  cancelled = true;
  const api = await signIn(platform.url);
  const response = await api.request('POST', '/api/deployedApps/cancel/', { instanceName });
  process.stdout.write(`cancel answered ${response.status}\n`);
}
