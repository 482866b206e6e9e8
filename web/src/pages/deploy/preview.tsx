import { Box, List, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { asSentence, post } from '../../api/client.ts';
import type { Occurrence } from '../../api/types.ts';
import { OccurrenceText } from '../../components/occurrence-text.tsx';
import { ProblemNotice } from '../../components/problem.tsx';
import { type When, whenBody, whenErrors } from '../../lib/recurrence.ts';

/** The next occurrences as the platform understands them, before anything is saved. */
export function Preview({ when }: { when: When }) {
  const complete = Object.keys(whenErrors(when)).length === 0;
  const body = whenBody(when);
  const [settled] = useDebouncedValue(JSON.stringify(body), 400);
  const query = useQuery({
    queryKey: ['schedule-preview', settled],
    queryFn: () => post<{ next: Occurrence[]; notes: string[] }>('/api/schedules/preview/', JSON.parse(settled)),
    enabled: complete,
    placeholderData: keepPreviousData,
    retry: false,
  });
  return (
    <Box component="section" aria-label="Next times" aria-live="polite">
      <Text fw={500} size="sm" mb={4}>
        Next times, in {when.timezone}
      </Text>
      {!complete ? (
        <Text size="sm" c="dimmed">
          They show up here once the fields above are filled in.
        </Text>
      ) : query.error ? (
        <ProblemNotice
          error={query.error}
          title="The next times are not known"
          retry={() => query.refetch()}
          retrying={query.isFetching}
        />
      ) : !query.data ? (
        <Text size="sm" c="dimmed">
          Working them out …
        </Text>
      ) : query.data.next.length === 0 ? (
        <Text size="sm">Never: there is no such time.</Text>
      ) : (
        <>
          <Occurrences list={query.data.next} timeZone={when.timezone} />
          {query.data.notes.length > 0 && (
            <List size="sm" mt="xs">
              {query.data.notes.map((note) => (
                <List.Item key={note}>{asSentence(note)}</List.Item>
              ))}
            </List>
          )}
        </>
      )}
    </Box>
  );
}

function Occurrences({ list, timeZone }: { list: readonly Occurrence[]; timeZone: string }) {
  return (
    <List size="sm" type="ordered" spacing={2}>
      {list.map((occurrence) => (
        <List.Item key={occurrence.start}>
          <OccurrenceText of={occurrence} timeZone={timeZone} />
        </List.Item>
      ))}
    </List>
  );
}
