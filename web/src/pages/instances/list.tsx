import { Anchor, Button, Group, NativeSelect, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Boxes, Search } from 'lucide-react';
import { Link, useSearchParams } from 'wouter';
import { asSentence } from '../../api/client.ts';
import { instancesQuery } from '../../api/queries.ts';
import type { Instance } from '../../api/types.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { EndPoint } from '../../components/end-point.tsx';
import { Moment } from '../../components/moment.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Told } from '../../components/told.tsx';
import { title } from '../../lib/format.ts';
import { healthyReplicas, isDeploying, isEnded, isServing, machinesOf } from '../../lib/states.ts';

const FILTERS: Record<string, (instance: Instance) => boolean> = {
  all: () => true,
  serving: ({ state }) => isServing(state),
  'on their way': ({ state }) => isDeploying(state) || state === 'stopping',
  'in trouble': ({ state }) => state === 'failed' || state === 'degraded',
  ended: ({ state }) => isEnded(state),
};

const CHOICES = Object.keys(FILTERS).map((value) => ({ value, label: title(value) }));

const COLUMNS: Column<Instance>[] = [
  {
    title: 'Name',
    head: true,
    cell: ({ instanceName, createdBy, createdAt }) => (
      <>
        <Anchor component={Link} href={`/instances/${instanceName}`} fw={600} className="name">
          {instanceName}
        </Anchor>
        <Text size="xs" c="dimmed" className="nowrap">
          by {createdBy}, <Moment at={createdAt} />
        </Text>
      </>
    ),
  },
  { title: 'State', head: true, cell: ({ state }) => <StateBadge state={state} /> },
  {
    title: 'App',
    cell: ({ appName, version }) => (
      <>
        {appName}{' '}
        <Text span c="dimmed" size="sm">
          {version}
        </Text>
      </>
    ),
  },
  { title: 'End point', cell: ({ endpoint }) => (endpoint ? <EndPoint url={endpoint} /> : null) },
  {
    title: 'Healthy',
    cell: (instance) =>
      isEnded(instance.state) ? null : (
        <span className="tabular nowrap">
          {healthyReplicas(instance)} of {instance.scale.min}
          {instance.scale.max > instance.scale.min && (
            <Text span c="dimmed" size="sm">
              {' '}
              (up to {instance.scale.max})
            </Text>
          )}
        </span>
      ),
  },
  { title: 'Machine', cell: (instance) => machinesOf(instance).join(', ') || null },
  {
    title: 'Reason',
    cell: ({ reason }) =>
      reason ? (
        <Text size="sm" lineClamp={3} maw="24rem" title={reason}>
          <Told text={asSentence(reason)} />
        </Text>
      ) : null,
  },
];

export function InstanceList() {
  const query = useQuery(instancesQuery);
  const [search, setSearch] = useSearchParams();
  const text = search.get('q') ?? '';
  const filter = search.get('show') ?? 'all';

  function set(name: string, value: string): void {
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value === '' || value === 'all') next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  }

  return (
    <Stack>
      <Group gap="sm">
        <TextInput
          aria-label="Search by name, app, machine or person"
          placeholder="Search"
          type="search"
          leftSection={<Search size={16} aria-hidden="true" />}
          value={text}
          onChange={(event) => set('q', event.currentTarget.value)}
          style={{ flex: '1 1 12rem', maxWidth: '22rem' }}
        />
        <SegmentedControl
          aria-label="Which instances to show"
          visibleFrom="sm"
          value={filter in FILTERS ? filter : 'all'}
          onChange={(value) => set('show', value)}
          data={CHOICES}
        />
        <NativeSelect
          aria-label="Which instances to show"
          hiddenFrom="sm"
          value={filter in FILTERS ? filter : 'all'}
          onChange={(event) => set('show', event.currentTarget.value)}
          data={CHOICES}
        />
      </Group>
      <QueryView query={query} what="The instances">
        {(instances) => (
          <Shown instances={instances} text={text} filter={filter} reset={() => setSearch({}, { replace: true })} />
        )}
      </QueryView>
    </Stack>
  );
}

function Shown({
  instances,
  text,
  filter,
  reset,
}: {
  instances: Instance[];
  text: string;
  filter: string;
  reset: () => void;
}) {
  if (instances.length === 0) {
    return (
      <Nothing
        icon={Boxes}
        title="Nothing has been deployed yet"
        text="An instance is an app with its own settings and its own address."
      >
        <Button component={Link} href="/catalogue">
          Choose an app
        </Button>
      </Nothing>
    );
  }
  const wanted = text.trim().toLowerCase();
  const rows = instances
    .filter(FILTERS[filter] ?? (() => true))
    .filter(
      ({ instanceName, appName, version, node, createdBy }) =>
        wanted === '' ||
        [instanceName, appName, version, node ?? '', createdBy].some((value) => value.toLowerCase().includes(wanted)),
    )
    .sort((a, b) => rank(a) - rank(b) || Date.parse(b.createdAt) - Date.parse(a.createdAt));
  return (
    <>
      <Text size="sm" c="dimmed" role="status">
        {rows.length === instances.length ? `${instances.length} in all` : `${rows.length} of ${instances.length}`}
      </Text>
      {rows.length === 0 ? (
        <Nothing icon={Search} title="Nothing fits the search">
          <Button variant="light" onClick={reset}>
            Show all
          </Button>
        </Nothing>
      ) : (
        <DataTable label="Instances" rows={rows} columns={COLUMNS} keyOf={({ instanceName }) => instanceName} />
      )}
    </>
  );
}

/** What needs somebody comes first, what has ended last. */
function rank({ state }: Instance): number {
  if (state === 'failed' || state === 'degraded') return 0;
  if (isDeploying(state) || state === 'stopping') return 1;
  return isServing(state) ? 2 : 3;
}
