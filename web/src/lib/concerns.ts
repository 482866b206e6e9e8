import type { Instance, Machine, PlatformStatus, Schedule } from '../api/types.ts';
import { title } from './format.ts';
import { needsRoom } from './states.ts';

/** Something that somebody ought to look at. */
export interface Concern {
  kind: 'instance' | 'service' | 'machine' | 'schedule';
  name: string;
  state: string;
  reason: string;
  href: string;
  at?: string;
}

interface Known {
  platform: PlatformStatus | undefined;
  machines: Machine[] | undefined;
  instances: Instance[] | undefined;
  schedules: Schedule[] | undefined;
}

/** What needs attention: machines and services first, as others hang on them. */
export function concerns({ platform, machines = [], instances = [], schedules = [] }: Known): Concern[] {
  return [
    ...machines.flatMap(machineConcern),
    ...(platform ? serviceConcerns(platform) : []),
    ...instances
      .filter(({ state }) => state === 'failed' || state === 'degraded')
      .map(
        ({ instanceName, state, reason }): Concern => ({
          kind: 'instance',
          name: instanceName,
          state,
          reason: reason ?? 'It gave no reason; its events and logs may.',
          href: `/instances/${instanceName}`,
        }),
      ),
    ...schedules.flatMap(({ instanceName, lastOutcome, state }): Concern[] =>
      lastOutcome?.failed && state !== 'ended'
        ? [
            {
              kind: 'schedule',
              name: instanceName,
              state: 'failed',
              reason: lastOutcome.text,
              href: '/instances?tab=scheduled',
              at: lastOutcome.at,
            },
          ]
        : [],
    ),
  ];
}

function machineConcern(machine: Machine): Concern[] {
  const { name, state, reason, diskPercent } = machine;
  const concern = { kind: 'machine' as const, name, href: '/machines' };
  // Drained is what somebody wanted.
  if (state === 'lost' || state === 'suspect') return [{ ...concern, state, reason: reason ?? 'It does not answer.' }];
  if (needsRoom(machine)) {
    return [
      {
        ...concern,
        state: 'degraded',
        reason: `Its disk is ${Math.round(diskPercent)} % full; above 95 % it gets nothing new.`,
      },
    ];
  }
  return [];
}

function serviceConcerns({ status, services }: PlatformStatus): Concern[] {
  return services
    .filter(
      ({ state, health }) =>
        state === 'failed' ||
        state === 'restarting' ||
        (health === 'failing' && state === 'running') ||
        (state === 'stopped' && status === 'running'),
    )
    .map(({ name, state, reason, lastChange }) => ({
      kind: 'service',
      name: title(name),
      state: state === 'running' ? 'failing' : state,
      reason: reason ?? 'Its health check does not succeed.',
      href: '/#services',
      ...(lastChange ? { at: lastChange } : {}),
    }));
}
