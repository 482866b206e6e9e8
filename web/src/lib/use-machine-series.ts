import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { machineHistoryQuery } from '../api/queries.ts';
import { type Point, useMachinePoints } from '../live/store.ts';
import { mergePoints } from './series.ts';

const MINUTES = 5;
const MOST = 300;

/** A machine's last minutes: from its history what was before this page was opened, then what comes live. */
export function useMachineSeries(name: string): readonly Point[] {
  const { data } = useQuery(machineHistoryQuery(MINUTES));
  const live = useMachinePoints(name);
  return useMemo(() => {
    const past = data?.nodes.find((node) => node.name === name)?.points ?? [];
    return mergePoints(past, live).slice(-MOST);
  }, [data, live, name]);
}
