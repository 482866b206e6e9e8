import { readConfig } from '../../src/main/config.ts';
import { start } from '../../src/main/start.ts';

// The real platform, but for two things: it dies of SIGKILL at the journal point named in KILL_AT, and its transactions are aborted and run again at random.
const args = process.argv.slice(3);
const flag = (name: string): string => args[args.indexOf(name) + 1] ?? '';
const [first = 0, last = 0] = flag('--replica-ports').split('-').map(Number);

const platform = await start(
  readConfig({
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
        if (point === process.env.KILL_AT) process.kill(process.pid, 'SIGKILL');
      },
    },
  },
);
process.on('SIGTERM', () => void platform.stop());
process.stdout.write(`Avishkar is ready at ${platform.url}\n`);
