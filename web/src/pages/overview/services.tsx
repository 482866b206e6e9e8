import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { asSentence } from '../../api/client.ts';
import { platformQuery } from '../../api/queries.ts';
import type { Service } from '../../api/types.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Moment } from '../../components/moment.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Told } from '../../components/told.tsx';
import { title } from '../../lib/format.ts';

const HEALTH = { ok: 'Ok', failing: 'Failing', unknown: 'Not known' };

const COLUMNS: Column<Service>[] = [
  {
    title: 'Service',
    head: true,
    cell: ({ name }) => (
      <Text fw={600} size="sm" span>
        {title(name)}
      </Text>
    ),
  },
  { title: 'State', head: true, cell: ({ state }) => <StateBadge state={state} /> },
  {
    title: 'Health',
    cell: ({ health }) => (health === 'failing' ? <StateBadge state="failing" /> : health ? HEALTH[health] : null),
  },
  {
    title: 'Last seen',
    cell: ({ lastSeen }) =>
      !lastSeen ? null : (
        <span className="nowrap">
          <Moment at={lastSeen} />
        </span>
      ),
  },
  { title: 'Last change', cell: ({ lastChange }) => (!lastChange ? null : <Moment at={lastChange} />) },
  { title: 'Restarts', cell: ({ restarts }) => <span className="tabular">{restarts ?? null}</span> },
  {
    title: 'Address',
    cell: ({ address, node }) => <span className="mono nowrap">{node ? `${node} · ${address}` : address}</span>,
  },
  {
    title: 'Reason',
    cell: ({ reason }) =>
      reason ? (
        <Text size="sm">
          <Told text={asSentence(reason)} />
        </Text>
      ) : null,
  },
];

export function Services() {
  const query = useQuery(platformQuery);
  return (
    <Section title="Services">
      <div id="services">
        <QueryView query={query} what="The services">
          {({ services }) => (
            <DataTable label="Services" rows={services} columns={COLUMNS} keyOf={({ name }) => name} />
          )}
        </QueryView>
      </div>
    </Section>
  );
}
