// Loaded into every process of a test run (NODE_OPTIONS, by bin/run-tests.mjs): puts down which routes are called.
// See operations.ts.
import { tracingChannel } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.AVISHKAR_TEST_RECORDS;
const known = new Set();

if (folder) {
  tracingChannel('fastify.request.handler').start.subscribe(({ request, route }) => {
    const service = request.server.serviceName;
    const { access } = request.routeOptions.config;
    const between = request.principal?.kind === 'service' && !request.legacy && access !== 'service';
    if (!service || between) return;
    const name = `${service} ${request.method} ${route.url.replaceAll(/:(\w+)/g, '{$1}')}`;
    if (known.has(name)) return;
    known.add(name);
    // At once: tests kill platforms.
    appendFileSync(join(folder, `calls-${process.pid}`), `${name}\n`);
  });
}
