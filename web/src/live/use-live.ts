import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { readAgain, SLOW_MS } from '../api/queries.ts';
import type { InstanceNews, Machine, PlatformStatus, Usage } from '../api/types.ts';
import { applyMachines, applyNews, applyPlatform, applyUsage, askAgain } from './apply.ts';
import { forgetAll, noteMachines, noteNews, noteUsage, setStatus } from './store.ts';
import { openStream } from './stream.ts';

/** Ends the stream of whoever listens now, and returns the way to listen again. */
let endStream: (() => () => void) | null = null;

/**
 * Before the session ends: a stream that the platform ends would be asked for again at once, by somebody who is nobody
 * any more. Returns the way to go on listening, should the session not end after all.
 */
export function hangUp(): () => void {
  return endStream?.() ?? (() => undefined);
}

/** Keeps all that is shown up to date for as long as somebody is signed in. */
export function useLive(): void {
  const client = useQueryClient();
  useEffect(() => {
    let broken = false;
    const listen = (): (() => void) =>
      openStream({
        url: () => '/api/events/stream',
        onStatus(status) {
          // What happened while nobody listened is not sent again.
          if (status === 'live' && broken) client.invalidateQueries();
          broken = status === 'reconnecting' || (broken && status !== 'live');
          setStatus(status);
        },
        events: {
          instance(data) {
            noteNews(data as InstanceNews);
            applyNews(client, data as InstanceNews);
          },
          nodes(data) {
            const { nodes } = data as { nodes: Machine[] };
            noteMachines(nodes, Date.now());
            applyMachines(client, nodes);
          },
          platform: (data) => applyPlatform(client, data as Partial<PlatformStatus>),
          catalogue: () => askAgain(client, ['apps']),
          schedule: () => askAgain(client, ['schedules']),
          usage(data) {
            const { instances } = data as { instances: Usage[] };
            noteUsage(instances, Date.now());
            applyUsage(client, instances);
          },
        },
      });
    let close = listen();
    endStream = () => {
      close();
      return () => {
        close = listen();
      };
    };
    const slow = setInterval(() => {
      if (!document.hidden) readAgain(client);
    }, SLOW_MS);
    return () => {
      clearInterval(slow);
      endStream = null;
      close();
      forgetAll();
    };
  }, [client]);
}
