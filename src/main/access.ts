import { z } from 'zod';
import { type AuditTrail, createAuditTrail } from '../kernel/audit-trail.ts';
import type { Tokens } from '../kernel/auth.ts';
import type { HttpAppOptions } from '../kernel/http/app.ts';
import { createNetworkList } from '../kernel/http/networks.ts';
import { createIdentity, type Inspect, verdictSchema } from '../kernel/identity.ts';
import { counter, type Metrics } from '../kernel/metrics.ts';
import type { ServiceName } from '../kernel/service.ts';
import type { ServiceClient } from '../kernel/service-client.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Config } from './config.ts';

export interface AccessDeps {
  config: Config;
  tokens: Tokens;
  clock: Clock;
  metrics: Metrics;
  log: Log;
  /** Speaks to the authenticator in this service's name. */
  clientOf: (service: ServiceName) => ServiceClient;
}

/** What the doors of all services have in common: who is let in, and what is written down. */
export interface Access {
  trail: AuditTrail;
  optionsFor(service: ServiceName): Pick<HttpAppOptions, 'identity' | 'acceptsCookie' | 'legacyFrom' | 'audit'>;
}

const inspection = z.object({ verdict: verdictSchema.nullable() });
/** Callers wait for this answer: a slow authenticator counts as one that does not answer. */
const INSPECT_DEADLINE_MS = 2000;

export function createAccess({ config, tokens, clock, metrics, log, clientOf }: AccessDeps): Access {
  const legacyFrom = createNetworkList(config.legacy.allowFrom);
  const lost = counter(metrics, {
    name: 'avishkar_audit_entries_lost_total',
    help: 'Changing calls that could not be written down',
    labels: [],
  });
  const writer = clientOf('application-manager');
  const trail = createAuditTrail({
    send: async (entries) => {
      await writer.call('authenticator', 'POST', '/audit', { body: { entries } });
    },
    clock,
    log,
    lost: (entries) => lost.inc(entries),
  });
  return {
    trail,
    optionsFor(service) {
      const client = clientOf(service);
      const inspect: Inspect = async (body) => {
        const options = { body, deadlineMs: INSPECT_DEADLINE_MS };
        return inspection.parse(await client.call('authenticator', 'POST', '/credentials/check', options)).verdict;
      };
      return {
        identity: createIdentity(tokens, inspect, clock),
        acceptsCookie: service === 'application-manager',
        legacyFrom,
        audit: { trail, clock },
      };
    },
  };
}
