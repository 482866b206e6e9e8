import { Button, Group, Modal, Select, Stack, Text } from '@mantine/core';
import { type FormEvent, useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import type { Accepted, Instance } from '../../api/types.ts';
import { ProblemNotice } from '../../components/problem.tsx';
import { useAction } from '../../lib/use-action.ts';

interface Props {
  kind: 'upgrade' | 'rollback';
  instance: Instance;
  /** The others there are, newest first. */
  versions: readonly string[];
  opened: boolean;
  onClose: () => void;
}

const BEFORE = 'the one before';

/** Brings another version in. Going back may leave it to the platform which one was before. */
export function VersionDialog({ kind, instance: { instanceName, version }, versions, opened, onClose }: Props) {
  const choices = kind === 'rollback' ? [BEFORE, ...versions] : [...versions];
  const [chosen, setChosen] = useState<string | null>(choices[0] ?? null);
  const action = useAction({
    run: (to: string) =>
      post<Accepted>(`/api/deployedApps/${kind}/`, { instanceName, ...(to === BEFORE ? {} : { version: to }) }),
    done: (_result, to) =>
      kind === 'upgrade' ? `Version ${to} of ${instanceName} is coming in.` : `${instanceName} goes back to ${to}.`,
    changes: [['instance', instanceName], ['instances']],
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: begins anew when it is opened
  useEffect(() => {
    if (!opened) return;
    setChosen(choices[0] ?? null);
    action.reset();
  }, [opened]);

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (chosen !== null) action.mutate(chosen, { onSuccess: onClose });
  }

  const label = kind === 'upgrade' ? 'Upgrade' : 'Roll back';
  return (
    <Modal opened={opened} onClose={onClose} title={`${label} ${instanceName}`}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">
            It runs version {version}. New replicas start beside the old ones; requests go over once the new ones are
            healthy. When they do not become healthy, the old ones stay.
          </Text>
          <Select
            label="Version"
            data={choices}
            value={chosen}
            onChange={setChosen}
            allowDeselect={false}
            data-autofocus
          />
          {action.error && (
            <ProblemNotice
              error={action.error}
              title={kind === 'upgrade' ? 'It was not upgraded' : 'It was not rolled back'}
            />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Keep as it is
            </Button>
            <Button type="submit" loading={action.isPending} disabled={chosen === null}>
              {label}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
