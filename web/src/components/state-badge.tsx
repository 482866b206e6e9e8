import { Badge, type BadgeProps } from '@mantine/core';
import {
  Ban,
  CalendarClock,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CirclePause,
  CircleStop,
  LoaderCircle,
  type LucideIcon,
  OctagonX,
  RotateCw,
  Unplug,
} from 'lucide-react';
import { title } from '../lib/format.ts';

type Look = [color: string, icon: LucideIcon];

const GOOD: Look = ['pine', CircleCheck];
const BUSY: Look = ['sky', LoaderCircle];
const WARN: Look = ['marigold', CircleAlert];
const BAD: Look = ['red', OctagonX];
const IDLE: Look = ['gray', CircleStop];

/** States of instances, replicas, services, machines, schedules and the platform: the same word looks the same everywhere. */
const LOOKS: Record<string, Look> = {
  running: GOOD,
  healthy: GOOD,
  ready: GOOD,
  ok: GOOD,
  active: GOOD,
  requested: BUSY,
  placing: BUSY,
  building: BUSY,
  starting: BUSY,
  routing: BUSY,
  stopping: BUSY,
  draining: BUSY,
  restarting: ['marigold', RotateCw],
  degraded: WARN,
  unhealthy: WARN,
  suspect: WARN,
  failing: BAD,
  failed: BAD,
  'crash-looping': BAD,
  lost: ['red', Unplug],
  stopped: IDLE,
  drained: ['gray', CirclePause],
  paused: ['gray', CirclePause],
  ended: IDLE,
  cancelled: ['gray', Ban],
  scheduled: ['violet', CalendarClock],
  waiting: ['violet', CalendarClock],
  unknown: ['gray', CircleHelp],
};

/** Says the state in words; colour and icon only help those who see them. */
export function StateBadge({ state, ...rest }: { state: string } & BadgeProps) {
  const [color, Icon] = LOOKS[state] ?? ['gray', CircleDashed];
  const turning = Icon === LoaderCircle ? 'turning' : undefined;
  return (
    <Badge
      variant="light"
      color={color}
      radius="sm"
      size="md"
      tt="none"
      fw={600}
      leftSection={<Icon size={13} aria-hidden="true" className={turning} />}
      style={{ flexShrink: 0, minWidth: 'max-content' }}
      {...rest}
    >
      {title(state)}
    </Badge>
  );
}
