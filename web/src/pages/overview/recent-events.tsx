import { Anchor, Card, Group, Text } from '@mantine/core';
import { useQueries, useQuery } from '@tanstack/react-query';
import { History } from 'lucide-react';
import { Link } from 'wouter';
import { eventsQuery, instancesQuery } from '../../api/queries.ts';
import { Moment } from '../../components/moment.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { Rows } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';
import { Told } from '../../components/told.tsx';
import { useNews } from '../../live/store.ts';

const SHOWN = 8;
/** There is no route for the events of all: those of the newest instances are put together. */
const ASKED = 6;

export function RecentEvents() {
  const instances = useQuery(instancesQuery);
  const newest = [...(instances.data ?? [])]
    .sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
    .slice(0, ASKED)
    .map(({ instanceName }) => instanceName);
  const past = useQueries({ queries: newest.map(eventsQuery) });
  const news = useNews();
  const all = new Map<string, { instance: string; at: string; text: string }>();
  for (const { instance, at, text } of news) all.set(`${instance} ${at} ${text}`, { instance, at, text });
  past.forEach((query, index) => {
    const instance = newest[index] ?? '';
    for (const { ts: at, text } of query.data ?? []) all.set(`${instance} ${at} ${text}`, { instance, at, text });
  });
  const shown = [...all.entries()].sort(([, a], [, b]) => Date.parse(b.at) - Date.parse(a.at)).slice(0, SHOWN);
  const loading = instances.isPending || past.some(({ isPending }) => isPending);
  return (
    <Section title="Recent events">
      {shown.length > 0 ? (
        <Card padding={0} component="ol" className="plain-list rows">
          {shown.map(([key, { instance, at, text }]) => (
            <li key={key}>
              <Group justify="space-between" gap="xs" wrap="nowrap" align="baseline">
                <Text size="sm" style={{ minWidth: 0 }} lineClamp={2}>
                  <Anchor component={Link} href={`/instances/${instance}`} fw={600}>
                    {instance}
                  </Anchor>{' '}
                  <Told text={text} />
                </Text>
                <Text size="xs" c="dimmed" style={{ flex: 'none' }}>
                  <Moment at={at} />
                </Text>
              </Group>
            </li>
          ))}
        </Card>
      ) : loading ? (
        <Rows />
      ) : (
        <Card>
          <Nothing
            icon={History}
            title="Nothing has happened yet"
            text="Deployments, decisions and failures show up here."
          />
        </Card>
      )}
    </Section>
  );
}
