import { Box, Group, Text, useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { cssColor, remPixels } from '../lib/css-color.ts';
import { curveText } from '../lib/series.ts';
import { useWidth } from '../lib/use-width.ts';
import type { Point } from '../live/store.ts';
import { type Mark, markEvents } from './curve-marks.ts';

interface Props {
  title: string;
  /** Which of the points' values. */
  value: number;
  /** `short`: for the legend, where the name is long. */
  series: readonly { name: string; short?: string; points: readonly Point[]; color?: string }[];
  marks?: readonly Mark[];
  /** Where the time axis begins, epoch in ms. */
  from: number;
}

const HEIGHT_REM = 12;
const COLORS = ['--avk-chart-cpu', '--avk-chart-memory', '--avk-chart-disk', '--avk-chart-4', '--avk-chart-5'];

/** One curve for each series, in percent over time, with marks where something happened. */
export default function Curves({ title, value, series, marks = [], from }: Props) {
  const [ref, width] = useWidth();
  const scheme = useComputedColorScheme();
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ data: [[]] as uPlot.AlignedData, marks, from });
  latest.current = { data: joined(series, value), marks, from };
  const names = series.map(({ name, color }) => `${name}${color ?? ''}`).join('\n');

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew for other series, another width, another scheme; data go in below
  useEffect(() => {
    const target = ref.current;
    if (!target || width === 0) return;
    const text = cssColor('--avk-chart-text');
    const grid = { stroke: cssColor('--avk-chart-grid'), width: 1 };
    const rem = remPixels();
    const font = `${0.75 * rem}px system-ui, sans-serif`;
    const axis = { stroke: text, grid, ticks: { show: false }, font };
    const made = new uPlot(
      {
        width,
        height: HEIGHT_REM * rem,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        padding: [rem, rem / 2, 0, 0],
        scales: {
          x: { time: true, range: () => [latest.current.from / 1000, Date.now() / 1000] },
          y: { range: (_plot, _low, high) => [0, Math.max(10, Math.min(100, Math.ceil((high ?? 0) / 10) * 10))] },
        },
        axes: [
          { ...axis, size: 1.75 * rem, values: (_plot, splits) => splits.map(clock) },
          { ...axis, size: 2.9 * rem, values: (_plot, splits) => splits.map((entry) => `${entry} %`) },
        ],
        series: [
          {},
          ...series.map(({ name, color }, index) => ({
            label: name,
            stroke: cssColor(color ?? colorOf(index)),
            width: 2,
            points: { show: false },
            spanGaps: false,
          })),
        ],
        plugins: [markEvents(() => latest.current.marks, cssColor('--avk-chart-text'))],
      },
      latest.current.data,
      target,
    );
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [names, width, scheme, value]);

  useEffect(() => {
    plot.current?.setData(latest.current.data);
  });

  const summary = series.map(({ name, points }) => `${name}: ${curveText(points, value)}`).join('; ');
  return (
    <Box component="figure" m={0}>
      <Group justify="space-between" gap="xs" component="figcaption" mb={4}>
        <Text size="sm" fw={600}>
          {title}
        </Text>
        <Group gap="sm" aria-hidden="true">
          {series.map(({ name, short = name, points, color }, index) => (
            <Text key={name} size="xs" c="dimmed" className="tabular">
              <span className="swatch" style={{ background: `var(${color ?? colorOf(index)})` }} />
              {short} {lastOf(points, value)}
            </Text>
          ))}
        </Group>
      </Group>
      <div
        ref={ref}
        role="img"
        aria-label={`${title} over time. ${summary === '' ? 'No values yet' : summary}. ${marks.length} events are marked.`}
        style={{ height: `${HEIGHT_REM}rem`, overflow: 'hidden' }}
      />
    </Box>
  );
}

const colorOf = (index: number): string => COLORS[index % COLORS.length] ?? '--avk-chart-cpu';

function lastOf(points: readonly Point[], value: number): string {
  const last = points.at(-1)?.[value + 1];
  return typeof last === 'number' ? `${Math.round(last)} %` : '';
}

function joined(series: Props['series'], value: number): uPlot.AlignedData {
  if (series.length === 0) return [[]];
  const tables = series.map(
    ({ points }): uPlot.AlignedData => [
      points.map(([at]) => at / 1000),
      points.map((point) => point[value + 1] ?? null),
    ],
  );
  return uPlot.join(
    tables,
    tables.map(() => [1]),
  );
}

function clock(seconds: number): string {
  return new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(
    seconds * 1000,
  );
}
