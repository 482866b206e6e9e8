import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system.ts';
import { createSqliteDatabases } from '../src/adapters/database/sqlite.ts';
import { createSqliteBus } from '../src/adapters/message-bus/sqlite.ts';
import { formatEnvelope, formatText } from '../src/domain/message.ts';
import { createMessenger, type MessengerTables, messengerMigrations } from '../src/kernel/messenger.ts';
import type { Log } from '../src/ports/log.ts';
import type { BusMessage, MessageBus } from '../src/ports/message-bus.ts';
import { type Figure, figure } from './figures.ts';
import { within } from './platform.ts';
import { withScratch } from './scratch.ts';

const ROUNDS = 5;
const QUICK_ROUNDS = 3;
const BATCH = 100;
const MESSAGES = 100_000;
/** One fsync each takes long enough with fewer. */
const SINGLE_MESSAGES = 5000;
const COMMANDS = 5000;
const DEADLINE_MS = 120_000;

/** Messages per second through the embedded bus to a handler, and commands per second through inbox and outbox. */
export function benchBus(options: { quick: boolean }): Promise<Figure[]> {
  return withScratch(async (scratch) => {
    const batched: number[] = [];
    const single: number[] = [];
    const commands: number[] = [];
    const rounds = options.quick ? QUICK_ROUNDS : ROUNDS;
    for (let round = 0; round < rounds; round += 1) {
      const folder = (what: string): string => join(scratch.folder, `${what}-${round}`);
      const turns = [
        async () => batched.push(await throughBus(folder('batched'), MESSAGES, BATCH)),
        async () => single.push(await throughBus(folder('single'), SINGLE_MESSAGES, 1)),
        async () => commands.push(await throughMessenger(folder('messenger'), COMMANDS)),
      ];
      if (round % 2 === 1) turns.reverse();
      for (const turn of turns) await turn();
      const last = [batched, single, commands].map((values) => values.at(-1)?.toFixed(0));
      process.stderr.write(
        `bus ${round + 1} of ${rounds}: ${last[0]}/s batched, ${last[1]}/s single, ${last[2]}/s commands\n`,
      );
    }
    const reference = { what: 'one message and one fsync at a time, on the same bus', measured: single };
    return [
      figure({
        name: `control messages, batches of ${BATCH}`,
        unit: '1/s',
        ours: batched,
        reference,
        target: { text: '>= 20,000/s', met: ({ median }) => median >= 20_000 },
        notes: [`${MESSAGES.toLocaleString('en')} messages each round, published and handled, on disk`],
      }),
      figure({
        name: 'commands with inbox and outbox',
        unit: '1/s',
        ours: commands,
        reference,
        notes: ['one transaction per command: inbox row and answer; until the last answer is on the bus'],
      }),
    ];
  });
}

async function throughBus(folder: string, messages: number, batch: number): Promise<number> {
  const bus = createSqliteBus({ path: join(folder, 'bus.db'), clock: systemClock });
  try {
    const { done, handler } = counter(messages);
    await bus.subscribe({ topics: ['DeploymentManager'], group: 'bench', handler });
    const begin = performance.now();
    await publishAll(bus, messages, batch);
    await within(DEADLINE_MS, 'all messages to be handled', done);
    return perSecond(messages, begin);
  } finally {
    await bus.close();
  }
}

async function throughMessenger(folder: string, messages: number): Promise<number> {
  const bus = createSqliteBus({ path: join(folder, 'bus.db'), clock: systemClock });
  const database = await createSqliteDatabases({ directory: folder }).open<MessengerTables>(
    'deployment-manager',
    messengerMigrations,
  );
  const messenger = createMessenger<MessengerTables>({
    service: 'deployment-manager',
    listens: ['DeploymentManager'],
    from: 'DeploymentManager',
    database,
    bus,
    clock: systemClock,
    log: onStderr,
  });
  messenger.onCommand('deploy app', async (unit, message) => {
    unit.send('first_topic', 'progress deploy', { name: message.fields.name, state: 'placing' }, message.requestId);
  });
  try {
    const { done, handler } = counter(messages);
    await bus.subscribe({ topics: ['first_topic'], group: 'bench', handler });
    await messenger.start();
    const begin = performance.now();
    await publishAll(bus, messages, BATCH);
    await within(DEADLINE_MS, 'all commands to be answered', done);
    return perSecond(messages, begin);
  } finally {
    await messenger.stop();
    await bus.close();
    await database.close();
  }
}

async function publishAll(bus: MessageBus, messages: number, batch: number): Promise<void> {
  for (let sent = 0; sent < messages; sent += batch) {
    await bus.publish(Array.from({ length: Math.min(batch, messages - sent) }, (_, n) => command(sent + n)));
  }
}

/** As the platform's own: an envelope of the size of most. */
function command(n: number): BusMessage {
  const name = `app-${n % 50}`;
  const envelope = {
    to_topic: 'DeploymentManager',
    from_topic: 'first_topic',
    request_id: `request-${n}`,
    msg: formatText('deploy app', { name }),
    data: { app: { name, appName: 'app', version: '1.0.0', generation: 1 } },
  } as const;
  return { topic: 'DeploymentManager', key: name, value: formatEnvelope(envelope) };
}

function counter(messages: number): { done: Promise<void>; handler: () => Promise<void> } {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  return {
    done,
    async handler() {
      seen += 1;
      if (seen === messages) resolve();
    },
  };
}

function perSecond(messages: number, begin: number): number {
  return (messages / (performance.now() - begin)) * 1000;
}

const silent = (): void => undefined;
const tell = (fields: object, message: string): void => {
  process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
};
const onStderr: Log = { debug: silent, info: silent, warn: tell, error: tell };
