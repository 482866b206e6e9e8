import { Card, Text, Timeline } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { History } from 'lucide-react';
import { eventsQuery } from '../../api/queries.ts';
import { Moment } from '../../components/moment.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';
import { Told } from '../../components/told.tsx';

/** What happened to it, the newest first. */
export function Events({ name }: { name: string }) {
  const query = useQuery(eventsQuery(name));
  return (
    <Section title="Events">
      <QueryView query={query} what="The events">
        {(events) =>
          events.length === 0 ? (
            <Card>
              <Nothing icon={History} title="Nothing has happened yet" />
            </Card>
          ) : (
            <Card className="scroll-box" tabIndex={0} aria-label="Timeline of events">
              <Timeline bulletSize={12} lineWidth={2}>
                {[...events].reverse().map((event, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the same may happen twice in a moment
                  <Timeline.Item key={`${event.ts} ${index}`}>
                    <Text size="sm">
                      <Told text={event.text} />
                    </Text>
                    <Text size="xs" c="dimmed">
                      <Moment at={event.ts} as="date" /> · <Moment at={event.ts} />
                    </Text>
                  </Timeline.Item>
                ))}
              </Timeline>
            </Card>
          )
        }
      </QueryView>
    </Section>
  );
}
