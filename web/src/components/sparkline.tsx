import { Box } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { remPixels } from '../lib/css-color.ts';
import type { Point } from '../live/store.ts';

const Curve = lazy(() => import('./sparkline-curve.tsx'));

interface Props {
  points: readonly Point[];
  /** Which of the point's values. */
  curve: number;
  /** A CSS variable. */
  color: string;
}

/** At the usual size of letters. */
const HEIGHT = 34;

/** The last moments of one value. The value itself stands beside it in words, so nobody misses anything here. */
export function Sparkline(props: Props) {
  return (
    <Box h={HEIGHT} aria-hidden="true">
      <Suspense fallback={null}>
        <Curve {...props} height={(HEIGHT / 16) * remPixels()} />
      </Suspense>
    </Box>
  );
}
