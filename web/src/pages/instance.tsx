import { Alert, Anchor, Group, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { CalendarClock } from 'lucide-react';
import { Link } from 'wouter';
import { ApiError } from '../api/client.ts';
import { instanceQuery } from '../api/queries.ts';
import type { Instance } from '../api/types.ts';
import { EndPoint } from '../components/end-point.tsx';
import { Moment } from '../components/moment.tsx';
import { Page } from '../components/page.tsx';
import { QueryView, Rows } from '../components/query-view.tsx';
import { StateBadge } from '../components/state-badge.tsx';
import { isDeploying, isEnded, machinesOf } from '../lib/states.ts';
import { Actions } from './instance/actions.tsx';
import { Events } from './instance/events.tsx';
import { Logs } from './instance/logs.tsx';
import { Steps } from './instance/progress.tsx';
import { Replicas } from './instance/replicas.tsx';
import { Settings } from './instance/settings.tsx';
import { Rollout, Trouble } from './instance/trouble.tsx';
import { UsageCurves } from './instance/usage.tsx';
import { NotFound } from './not-found.tsx';

/** One instance: how it does, what happened to it, what it says, and what can be done. */
export default function InstancePage({ name }: { name: string }) {
  const query = useQuery(instanceQuery(name));
  const scheduled = query.data?.state === 'scheduled';
  if (query.error instanceof ApiError && query.error.status === 404)
    return <NotFound what={`There is no instance ${name}`} />;
  return (
    <Page
      title={name}
      back={{ href: '/instances', label: 'Instances' }}
      badge={
        query.data && (
          <div aria-live="polite">
            <StateBadge state={query.data.state} size="lg" />
          </div>
        )
      }
      lead={query.data && <Facts instance={query.data} />}
      actions={query.data && !scheduled && <Actions instance={query.data} />}
    >
      <QueryView query={query} what="The instance" skeleton={<Rows count={5} height={90} />}>
        {(instance) => (
          <Stack gap="xl">
            {isDeploying(instance.state) && <Steps state={instance.state} />}
            <Trouble instance={instance} />
            <Rollout instance={instance} />
            {scheduled && <Scheduled />}
            {!scheduled && !isEnded(instance.state) && !isDeploying(instance.state) && (
              <>
                <Replicas instance={instance} />
                <UsageCurves name={name} />
              </>
            )}
            {!scheduled && <Logs instance={instance} />}
            <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="xl">
              <Events name={name} />
              <Settings instance={instance} />
            </SimpleGrid>
          </Stack>
        )}
      </QueryView>
    </Page>
  );
}

function Scheduled() {
  return (
    <Alert color="violet" icon={<CalendarClock size={18} aria-hidden="true" />} title="It is scheduled">
      <Text size="sm">
        It starts by itself when its time has come.{' '}
        <Anchor component={Link} href="/instances?tab=scheduled" size="sm" underline="always">
          When, and how to pause or delete it
        </Anchor>
      </Text>
    </Alert>
  );
}

function Facts({ instance }: { instance: Instance }) {
  const { appName, version, endpoint, createdBy, createdAt } = instance;
  const machines = machinesOf(instance);
  return (
    <Group gap="0.25rem 1.5rem" mt={4}>
      <Text size="sm">
        {appName} {version}
      </Text>
      {endpoint && (
        <Group gap={6} wrap="nowrap">
          <Text size="sm" className="nowrap">
            Served at
          </Text>
          <EndPoint url={endpoint} copy />
        </Group>
      )}
      {machines.length > 0 && <Text size="sm">on {machines.join(', ')}</Text>}
      <Text size="sm">
        by {createdBy}, <Moment at={createdAt} />
      </Text>
    </Group>
  );
}
