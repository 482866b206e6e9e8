import { Card, Text } from '@mantine/core';
import { Check, LoaderCircle } from 'lucide-react';
import type { InstanceState } from '../../api/types.ts';
import { STEPS } from '../../lib/states.ts';

const MEANING: Partial<Record<InstanceState, string>> = {
  requested: 'Its settings are put together with the app.',
  placing: 'The best machine for it is being looked for.',
  building: 'What it depends on is being installed.',
  starting: 'It has been started and is to answer its health check.',
  routing: 'It is getting its public address.',
};

/** Where a deployment is on its way. */
export function Steps({ state }: { state: InstanceState }) {
  const at = STEPS.indexOf(state);
  return (
    <Card>
      <ol className="plain-list steps" aria-label="Steps of the deployment">
        {STEPS.map((step, index) => {
          const where = index < at ? 'done' : index === at ? 'now' : 'to come';
          return (
            <li key={step} data-where={where} aria-current={where === 'now' ? 'step' : undefined}>
              <span className="step-mark" aria-hidden="true">
                {where === 'done' ? (
                  <Check size={14} />
                ) : where === 'now' ? (
                  <LoaderCircle size={14} className="turning" />
                ) : (
                  index + 1
                )}
              </span>
              <span>{step.charAt(0).toUpperCase() + step.slice(1)}</span>
              <span className="for-listeners">, {where}</span>
            </li>
          );
        })}
      </ol>
      <Text size="sm" c="dimmed" mt="sm" role="status">
        {MEANING[state]}
      </Text>
    </Card>
  );
}
