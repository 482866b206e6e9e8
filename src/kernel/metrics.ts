import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { messageOf } from '../domain/errors.ts';
import type { Log } from '../ports/log.ts';

/*
 * Prometheus figures: docs/metrics.md lists them. A process has one set; services that are started again in it go on
 * with the counters they had.
 */

/** Where figures are kept, and read by `/metrics`. */
export type Metrics = Registry;

interface Described<Label extends string> {
  /** `avishkar_…` */
  name: string;
  help: string;
  /** Few values each: never a request's, an instance's or a user's own. */
  labels: readonly Label[];
}

export function counter<Label extends string>(metrics: Metrics, { name, help, labels }: Described<Label>) {
  const known = metrics.getSingleMetric(name);
  if (known) return known as Counter<Label>;
  return new Counter({ name, help, labelNames: [...labels], registers: [metrics] });
}

export function histogram<Label extends string>(
  metrics: Metrics,
  { name, help, labels, buckets }: Described<Label> & { buckets: number[] },
) {
  const known = metrics.getSingleMetric(name);
  if (known) return known as Histogram<Label>;
  return new Histogram({ name, help, labelNames: [...labels], buckets, registers: [metrics] });
}

/**
 * A figure that is read when it is asked for. Of a service that was started again the newest start is asked.
 *
 * @param read the values by their labels; when it fails there are none this time
 */
export function gauge<Label extends string>(
  metrics: Metrics,
  { name, help, labels }: Described<Label>,
  read: () => readonly Value<Label>[] | Promise<readonly Value<Label>[]>,
  log: Log,
): void {
  metrics.removeSingleMetric(name);
  new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [metrics],
    async collect() {
      this.reset();
      try {
        for (const { value, ...own } of await read()) this.set(own as unknown as Record<Label, string>, value);
      } catch (error) {
        log.debug({ metric: name, reason: messageOf(error) }, 'a figure could not be read');
      }
    },
  });
}

export type Value<Label extends string> = Record<Label, string> & { value: number };

/** How many there are of each kind, those that there are none of included: a figure that vanishes is no zero. */
export function countsOf<Kind extends string>(
  kinds: readonly Kind[],
  rows: readonly { state: Kind; count: number }[],
): Value<'state'>[] {
  return kinds.map((state) => ({
    state,
    value: rows.filter((row) => row.state === state).reduce((sum, { count }) => sum + Number(count), 0),
  }));
}
