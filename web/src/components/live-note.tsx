import { Badge, Box } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { WifiOff } from 'lucide-react';
import { useLiveStatus } from '../live/store.ts';

/** Says so while what is shown may be out of date. A short break, as on every page load, is not worth a word. */
export function LiveNote() {
  const status = useLiveStatus();
  const [settled] = useDebouncedValue(status, 700);
  const broken = status === 'reconnecting' && settled === 'reconnecting';
  return (
    <Box role="status" aria-live="polite">
      {broken && (
        <Badge color="marigold" variant="light" tt="none" leftSection={<WifiOff size={13} aria-hidden="true" />}>
          Reconnecting …
        </Badge>
      )}
    </Box>
  );
}
