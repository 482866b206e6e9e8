import { Card, SimpleGrid, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { instancesQuery, schedulesQuery } from '../../api/queries.ts';
import type { Instance } from '../../api/types.ts';
import { QueryView } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';
import { isDeploying } from '../../lib/states.ts';

const COUNTED: { label: string; href: string; color: string; of: (instance: Instance) => boolean }[] = [
  { label: 'Running', href: '/instances?show=serving', color: 'pine', of: ({ state }) => state === 'running' },
  {
    label: 'On their way',
    href: '/instances?show=on+their+way',
    color: 'sky',
    of: ({ state }) => isDeploying(state) || state === 'stopping',
  },
  { label: 'Degraded', href: '/instances?show=in+trouble', color: 'marigold', of: ({ state }) => state === 'degraded' },
  { label: 'Failed', href: '/instances?show=in+trouble', color: 'red', of: ({ state }) => state === 'failed' },
  {
    label: 'Stopped',
    href: '/instances?show=ended',
    color: 'gray',
    of: ({ state }) => state === 'stopped' || state === 'cancelled',
  },
];

/** How many instances are in which state; each number leads to them. */
export function Counts() {
  const query = useQuery(instancesQuery);
  const schedules = useQuery(schedulesQuery);
  const waiting = schedules.data?.filter(({ state }) => state !== 'ended').length;
  return (
    <Section title="Instances">
      <QueryView query={query} what="The instances" skeleton={<Skeleton height={86} />}>
        {(instances) => (
          <SimpleGrid cols={{ base: 2, xs: 3, lg: 6 }} spacing="sm">
            {COUNTED.map(({ label, href, color, of }) => (
              <Count key={label} label={label} href={href} color={color} value={instances.filter(of).length} />
            ))}
            <Count label="Scheduled" href="/instances?tab=scheduled" color="violet" value={waiting} />
          </SimpleGrid>
        )}
      </QueryView>
    </Section>
  );
}

interface CountProps {
  label: string;
  href: string;
  color: string;
  value: number | undefined;
}

function Count({ label, href, color, value }: CountProps) {
  return (
    <Card
      component={Link}
      href={href}
      padding="md"
      style={{ textDecoration: 'none', color: 'inherit' }}
      className="count"
    >
      <Text
        fz="1.75rem"
        fw={650}
        lh={1.1}
        className="tabular"
        c={value ? `var(--mantine-color-${color}-text)` : 'dimmed'}
      >
        {value ?? '–'}
      </Text>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
    </Card>
  );
}
