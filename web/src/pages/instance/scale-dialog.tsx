import { Button, Group, Modal, NumberInput, SimpleGrid, Stack, Text } from '@mantine/core';
import { type FormEvent, useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import type { Accepted, Instance } from '../../api/types.ts';
import { ProblemNotice } from '../../components/problem.tsx';
import { useAction } from '../../lib/use-action.ts';

interface Props {
  instance: Instance;
  opened: boolean;
  onClose: () => void;
}

export function ScaleDialog({ instance: { instanceName, scale }, opened, onClose }: Props) {
  const [min, setMin] = useState<number | string>(scale.min);
  const [max, setMax] = useState<number | string>(scale.max);
  const action = useAction({
    run: (body: { min: number; max: number }) => post<Accepted>('/api/deployedApps/scale/', { instanceName, ...body }),
    done: (_result, body) =>
      `${instanceName} now has ${body.min === body.max ? body.min : `${body.min} to ${body.max}`} replicas.`,
    changes: [['instance', instanceName], ['instances']],
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: begins with what is set when it is opened
  useEffect(() => {
    if (!opened) return;
    setMin(scale.min);
    setMax(scale.max);
    action.reset();
  }, [opened]);

  const wrong = Number(min) > Number(max) ? 'Expected no more than the most' : null;

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (wrong || min === '' || max === '') return;
    action.mutate({ min: Number(min), max: Number(max) }, { onSuccess: onClose });
  }

  return (
    <Modal opened={opened} onClose={onClose} title={`Scale ${instanceName}`}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">
            At least so many replicas always run. Above {scale.cpuPercent} % CPU or {scale.memoryPercent} % memory it
            grows, up to the most.
          </Text>
          <SimpleGrid cols={2}>
            <NumberInput
              label="At least"
              min={1}
              max={100}
              allowDecimal={false}
              value={min}
              onChange={setMin}
              error={wrong}
              data-autofocus
            />
            <NumberInput label="At most" min={1} max={100} allowDecimal={false} value={max} onChange={setMax} />
          </SimpleGrid>
          {action.error && <ProblemNotice error={action.error} title="It was not scaled" />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Keep as it is
            </Button>
            <Button type="submit" loading={action.isPending} disabled={wrong !== null || min === '' || max === ''}>
              Scale
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
