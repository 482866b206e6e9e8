import { createServer } from 'node:http';
import { flushCompileCache } from 'node:module';
import type { StaticOptions } from './static.ts';
import { createStaticHandler } from './static-files.ts';

/*
 * The process of a static app: serves the folder it is started in on PORT. Argument: JSON of StaticOptions.
 */

const options = JSON.parse(process.argv[2] ?? '') as StaticOptions;
const { env } = process;
const instance = env.AVISHKAR_INSTANCE ?? 'the app';

const server = createServer(
  createStaticHandler({
    folder: process.cwd(),
    entry: options.entry,
    settings: Object.fromEntries(
      options.config.flatMap(({ key, type }) => {
        const text = env[key];
        return text === undefined ? [] : [[key, typed(text, type)]];
      }),
    ),
    onError: (path, error) => console.error(`${JSON.stringify(path)} could not be served: ${error}`),
  }),
);

function typed(text: string, type: StaticOptions['config'][number]['type']): string | number | boolean {
  if (type === 'number') return Number(text);
  return type === 'boolean' ? text === 'true' : text;
}

server.on('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
server.listen(Number(env.PORT), options.address, () => {
  console.log(`serving ${instance} on port ${env.PORT}`);
  flushCompileCache();
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    console.log('stopping');
    // Requests under way are answered first; connections without one are closed by this, too.
    server.close();
  });
}
