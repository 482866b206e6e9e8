import { notifications } from '@mantine/notifications';
import { type QueryKey, useMutation, useQueryClient } from '@tanstack/react-query';
import { sentence } from '../api/client.ts';

interface Options<Input, Result> {
  run: (input: Input) => Promise<Result>;
  /** What to say when it worked. */
  done?: (result: Result, input: Input) => string;
  /** What did not work, as in "room-comfort-1 was not stopped". Left out: the form shows it. */
  failed?: (input: Input) => string;
  /** What to ask for again. */
  changes?: QueryKey[];
}

/** A request that changes something: says how it went, and has what it changed read again. */
export function useAction<Input, Result>({ run, done, failed, changes = [] }: Options<Input, Result>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: run,
    onSuccess(result, input) {
      if (done) notifications.show({ message: done(result, input), color: 'pine' });
    },
    onError(error, input) {
      if (failed) {
        notifications.show({
          title: failed(input),
          message: sentence(error),
          color: 'red',
          autoClose: 12_000,
          role: 'alert',
        });
      }
    },
    // Also after a failure: what was shown may have been out of date.
    onSettled: () => Promise.all(changes.map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}
