import { Alert, Text } from '@mantine/core';
import { ArrowUpCircle, OctagonX, TriangleAlert } from 'lucide-react';
import { asSentence } from '../../api/client.ts';
import type { Instance } from '../../api/types.ts';
import { Told } from '../../components/told.tsx';
import { plain } from '../../lib/ansi.ts';

/** Why it failed or is degraded, with the last it said: before everything else. */
export function Trouble({ instance: { state, reason, lastLogLines } }: { instance: Instance }) {
  if (state !== 'failed' && state !== 'degraded' && reason === undefined) return null;
  const failed = state === 'failed';
  const Icon = failed ? OctagonX : TriangleAlert;
  return (
    <Alert
      color={failed ? 'red' : state === 'degraded' ? 'marigold' : 'gray'}
      icon={<Icon size={18} aria-hidden="true" />}
      title={failed ? 'It failed' : state === 'degraded' ? 'It is degraded' : 'Note'}
    >
      <Text size="sm">
        <Told text={asSentence(reason ?? 'It gave no reason; its events and logs may')} />
      </Text>
      {lastLogLines && lastLogLines.length > 0 && (
        <>
          <Text size="sm" mt="sm" mb={4} fw={500}>
            The last it said
          </Text>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled with the keyboard, too */}
          <section className="log-excerpt" tabIndex={0} aria-label="Last log lines">
            {lastLogLines.map(plain).join('\n')}
          </section>
        </>
      )}
    </Alert>
  );
}

export function Rollout({ instance: { rollout } }: { instance: Instance }) {
  if (!rollout) return null;
  const back = rollout.state === 'rolled back';
  return (
    <Alert
      color={back ? 'marigold' : 'sky'}
      role="status"
      icon={<ArrowUpCircle size={18} aria-hidden="true" />}
      title={back ? `Version ${rollout.version} was taken back` : `Version ${rollout.version} is coming in`}
    >
      {rollout.reason && (
        <Text size="sm">
          <Told text={asSentence(rollout.reason)} />
        </Text>
      )}
      {!back && <Text size="sm">The present version serves until the new one is healthy.</Text>}
    </Alert>
  );
}
