import { useQuery } from '@tanstack/react-query';
import { ApiError } from '../api/client.ts';
import { platformQuery } from '../api/queries.ts';

/** Whether an operator has stopped the platform: then what its services know is not to be had, and nothing is wrong. */
export function usePlatformStopped(): boolean {
  const { data } = useQuery(platformQuery);
  return data?.status === 'stopped' || data?.status === 'stopping';
}

/** A service that did not answer because it does not run. */
export const isUnavailable = (error: unknown): boolean => error instanceof ApiError && error.status === 503;
