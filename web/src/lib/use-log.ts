import { useEffect, useRef, useState } from 'react';
import type { LogLine } from '../api/types.ts';
import { type LiveStatus, openStream } from '../live/stream.ts';
import { plain } from './ansi.ts';
import { inOrder } from './series.ts';

/** A line with a number of its own: two lines may say the same in the same moment. */
export interface NumberedLine extends LogLine {
  n: number;
}

/** `''`: all replicas; `build`: the newest build; otherwise a replica. */
export type LogSource = string;

const KEPT_LINES = 2000;
const TAIL = 400;
const GATHER_MS = 120;

interface Log {
  lines: readonly NumberedLine[];
  status: LiveStatus | 'ended';
  /** What the platform says about a log that it could not go on reading. */
  problem: string | null;
}

/** An instance's lines as they come, while it is wanted. */
export function useLog(instance: string, source: LogSource, ended: boolean): Log {
  const [log, setLog] = useState<Log>({ lines: [], status: 'connecting', problem: null });
  const over = useRef(ended);
  over.current = ended;

  useEffect(() => {
    let fresh: NumberedLine[] = [];
    let n = 0;
    let restart = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    setLog({ lines: [], status: 'connecting', problem: null });

    function flush(): void {
      timer = undefined;
      const taken = fresh;
      // A new connection begins with the last lines again.
      const anew = restart;
      restart = false;
      fresh = [];
      setLog((before) => ({ ...before, lines: inOrder([...(anew ? [] : before.lines), ...taken]).slice(-KEPT_LINES) }));
    }

    const close = openStream({
      url: () => {
        const query = new URLSearchParams({ tail: String(TAIL), follow: 'true' });
        if (source === 'build') query.set('build', 'true');
        else if (source !== '') query.set('replica', source);
        return `/api/deployedApps/${encodeURIComponent(instance)}/logs?${query}`;
      },
      onStatus(status) {
        if (status === 'live') restart = true;
        setLog((before) => ({ ...before, status, ...(status === 'live' ? { problem: null } : {}) }));
      },
      endIsFinal() {
        if (!over.current) return false;
        setLog((before) => ({ ...before, status: 'ended' }));
        return true;
      },
      events: {
        message(data) {
          const line = data as LogLine;
          n += 1;
          fresh.push({ ...line, line: plain(line.line), n });
          timer ??= setTimeout(flush, GATHER_MS);
        },
        problem: (data) => setLog((before) => ({ ...before, problem: (data as { detail: string }).detail })),
      },
    });
    return () => {
      close();
      clearTimeout(timer);
    };
  }, [instance, source]);

  return log;
}
