import { Box, Button, Card, Group, List, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Power } from 'lucide-react';
import { asSentence, post } from '../../api/client.ts';
import { platformQuery } from '../../api/queries.ts';
import type { PlatformStatus } from '../../api/types.ts';
import { useConfirm } from '../../components/confirm.tsx';
import { Moment } from '../../components/moment.tsx';
import { QueryView, Rows } from '../../components/query-view.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Told } from '../../components/told.tsx';
import { useIsAdmin } from '../../lib/session.ts';
import { useAction } from '../../lib/use-action.ts';

const MEANING: Record<PlatformStatus['status'], string> = {
  running: 'All services work. Apps can be deployed.',
  degraded: 'It works, but not everything does.',
  starting: 'Its services are being started.',
  stopping: 'Its services are being stopped. Apps go on.',
  stopped: 'Nothing can be deployed, scaled or scheduled. Apps that run are served as before.',
};

/** The platform's state and its switch. */
export function PlatformCard() {
  const query = useQuery(platformQuery);
  return (
    <QueryView query={query} what="The platform's state" skeleton={<Rows count={1} height={92} />}>
      {(status) => (
        <Card>
          <Group justify="space-between" gap="md">
            <Box style={{ minWidth: 0, flex: '1 1 18rem' }}>
              <Group gap="sm" aria-live="polite">
                <Title order={2}>The platform</Title>
                <StateBadge state={status.status} size="lg" />
              </Group>
              <Text size="sm" c="dimmed" mt={4}>
                {status.reason ? <Told text={asSentence(status.reason)} /> : MEANING[status.status]} Since{' '}
                <Moment at={status.since} as="date" />.
              </Text>
            </Box>
            <Toggle status={status} />
          </Group>
        </Card>
      )}
    </QueryView>
  );
}

function Toggle({ status: { status } }: { status: PlatformStatus }) {
  const admin = useIsAdmin();
  const confirm = useConfirm();
  const start = useAction({
    run: () => post('/api/platform/start/'),
    failed: () => 'The platform was not started',
    changes: [['platform']],
  });
  const stop = useAction({
    run: () => post('/api/platform/stop/'),
    failed: () => 'The platform was not stopped',
    changes: [['platform']],
  });

  if (!admin) return null;
  if (status === 'stopped' || status === 'starting') {
    return (
      <Button
        leftSection={<Power size={16} aria-hidden="true" />}
        onClick={() => start.mutate(undefined)}
        loading={status === 'starting' || start.isPending}
      >
        Start the platform
      </Button>
    );
  }

  async function ask(): Promise<void> {
    const yes = await confirm({
      title: 'Stop the platform?',
      text: (
        <>
          <Text size="sm">What stops:</Text>
          <List size="sm" mb="sm">
            <List.Item>deploying, scaling, upgrading, restarting and scheduling</List.Item>
            <List.Item>the services behind them, also their looking after apps that fail</List.Item>
          </List>
          <Text size="sm">What stays:</Text>
          <List size="sm">
            <List.Item>all apps that run, and their addresses</List.Item>
            <List.Item>this page, signing in, and the button that starts the platform again</List.Item>
          </List>
        </>
      ),
      yes: 'Stop the platform',
      danger: true,
    });
    if (yes) stop.mutate(undefined);
  }

  return (
    <Button
      variant="default"
      leftSection={<Power size={16} aria-hidden="true" />}
      onClick={ask}
      loading={status === 'stopping' || stop.isPending}
    >
      Stop the platform
    </Button>
  );
}
