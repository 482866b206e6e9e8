import { Card, Skeleton, Stack, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { isUnavailable, usePlatformStopped } from '../lib/use-platform-stopped.ts';
import { ProblemNotice } from './problem.tsx';

interface Props<T> {
  query: UseQueryResult<T>;
  /** What is asked for, as in "The machines could not be read". */
  what: string;
  skeleton?: ReactNode;
  children: (data: T) => ReactNode;
}

/** Skeletons while it loads, the reason and a retry when it failed, otherwise the data; old data stays while new is on its way. */
export function QueryView<T>({ query, what, skeleton, children }: Props<T>) {
  const stopped = usePlatformStopped();
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error && stopped && isUnavailable(query.error)) return <NotWhileStopped what={what} />;
  if (query.error) {
    return (
      <ProblemNotice
        error={query.error}
        title={`${what} could not be read`}
        retry={() => query.refetch()}
        retrying={query.isFetching}
      />
    );
  }
  return (
    <div aria-busy="true">
      <span className="for-listeners" role="status">
        Loading
      </span>
      {skeleton ?? <Rows />}
    </div>
  );
}

/** The services that would know are stopped, as somebody wanted it. */
export function NotWhileStopped({ what }: { what: string }) {
  return (
    <Card>
      <Text size="sm" c="dimmed">
        {what}: not known while the platform is stopped.
      </Text>
    </Card>
  );
}

export function Rows({ count = 3, height = 44 }: { count?: number; height?: number }) {
  return (
    <Stack gap="xs">
      {Array.from({ length: count }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <Skeleton key={index} height={height} />
      ))}
    </Stack>
  );
}
