import { Box } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { Point } from '../live/store.ts';

const Curve = lazy(() => import('./sparkline-curve.tsx'));

interface Props {
  points: readonly Point[];
  /** Which of the point's values. */
  curve: number;
  /** A CSS variable. */
  color: string;
}

/** The last moments of one value. The value itself stands beside it in words, so nobody misses anything here. */
export function Sparkline(props: Props) {
  return (
    <Box h={34} aria-hidden="true">
      <Suspense fallback={null}>
        <Curve {...props} height={34} />
      </Suspense>
    </Box>
  );
}
