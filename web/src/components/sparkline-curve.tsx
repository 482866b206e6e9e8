import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { cssColor } from '../lib/css-color.ts';
import { useWidth } from '../lib/use-width.ts';
import type { Point } from '../live/store.ts';

interface Props {
  points: readonly Point[];
  curve: number;
  color: string;
  height: number;
}

export default function SparklineCurve({ points, curve, color, height }: Props) {
  const [ref, width] = useWidth();
  const plot = useRef<uPlot | null>(null);
  const scheme = useComputedColorScheme();
  const latest = useRef<uPlot.AlignedData>([[], []]);
  latest.current = [points.map(([at]) => at / 1000), points.map((point) => point[curve + 1] ?? null)];

  // biome-ignore lint/correctness/useExhaustiveDependencies: another scheme has another colour behind the same variable
  useEffect(() => {
    const target = ref.current;
    if (!target || width === 0) return;
    const stroke = cssColor(color);
    const made = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { show: false },
        padding: [2, 0, 2, 0],
        scales: {
          x: { time: true },
          y: { range: (_plot, _low, high) => [0, Math.max(10, Math.min(100, high * 1.25))] },
        },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke, width: 1.5, fill: `${stroke}22`, points: { show: false } }],
      },
      latest.current,
      target,
    );
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [width, height, color, scheme, ref]);

  useEffect(() => {
    if (points.length > 0) plot.current?.setData(latest.current);
  }, [points]);

  return <div ref={ref} style={{ height, overflow: 'hidden' }} />;
}
