import { Anchor, Card, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { CircleCheckBig } from 'lucide-react';
import { Link } from 'wouter';
import { asSentence } from '../../api/client.ts';
import { instancesQuery, machinesQuery, platformQuery, schedulesQuery } from '../../api/queries.ts';
import { Moment } from '../../components/moment.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { ProblemNotice } from '../../components/problem.tsx';
import { Rows } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Told } from '../../components/told.tsx';
import { type Concern, concerns } from '../../lib/concerns.ts';
import { isUnavailable, usePlatformStopped } from '../../lib/use-platform-stopped.ts';

const SHOWN = 8;

/** All that somebody ought to look at, the worst first. */
export function Attention() {
  const platform = useQuery(platformQuery);
  const machines = useQuery(machinesQuery);
  const instances = useQuery(instancesQuery);
  const schedules = useQuery(schedulesQuery);
  const list = concerns({
    platform: platform.data,
    machines: machines.data,
    instances: instances.data,
    schedules: schedules.data,
  });
  const stopped = usePlatformStopped();
  const failed = [platform, machines, instances].find(
    ({ error, data }) => error && data === undefined && !(stopped && isUnavailable(error)),
  );
  const loading = [platform, machines, instances].some(({ isPending }) => isPending);
  return (
    <Section title="Needs attention" aside={list.length > SHOWN && <Text size="sm">{list.length} in all</Text>}>
      <div aria-live="polite">
        {failed && (
          <ProblemNotice error={failed.error} title="Not all could be looked at" retry={() => failed.refetch()} />
        )}
        {list.length > 0 ? (
          <Card padding={0} component="ul" className="plain-list rows">
            {list.slice(0, SHOWN).map((concern) => (
              <Row key={`${concern.kind} ${concern.name}`} concern={concern} />
            ))}
          </Card>
        ) : loading ? (
          <Rows />
        ) : (
          !failed && (
            <Card>
              <Nothing
                icon={CircleCheckBig}
                title="All is well"
                text="No instance, service, machine or schedule needs you."
              />
            </Card>
          )
        )}
      </div>
    </Section>
  );
}

function Row({ concern: { kind, name, state, reason, href, at } }: { concern: Concern }) {
  return (
    <li>
      <Stack gap={2}>
        <Group justify="space-between" gap="xs">
          <Text size="sm" component="div">
            <Anchor component={Link} href={href} fw={600}>
              {name}
            </Anchor>{' '}
            <Text span size="sm" c="dimmed">
              {kind}
            </Text>
          </Text>
          <StateBadge state={state} />
        </Group>
        <Text size="sm" lineClamp={3}>
          <Told text={asSentence(reason)} />
          {at && (
            <Text span size="sm" c="dimmed">
              {' '}
              (<Moment at={at} />)
            </Text>
          )}
        </Text>
      </Stack>
    </li>
  );
}
