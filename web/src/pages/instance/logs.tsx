import { Alert, Badge, Button, Group, Highlight, Select, Text, TextInput } from '@mantine/core';
import { ArrowDown, Pause, Play, Search } from 'lucide-react';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { asSentence } from '../../api/client.ts';
import type { Instance } from '../../api/types.ts';
import { Section } from '../../components/section.tsx';
import { clockTime, longDateTime, shortName } from '../../lib/format.ts';
import { isDeploying, isEnded } from '../../lib/states.ts';
import { type NumberedLine, useLog } from '../../lib/use-log.ts';
import { usePlatformStopped } from '../../lib/use-platform-stopped.ts';

const AT_BOTTOM_PX = 24;

/** What it prints, followed; scrolls along only for who is at the bottom. */
export function Logs({ instance: { instanceName, replicas, state } }: { instance: Instance }) {
  const [chosen, setChosen] = useState('');
  const [text, setText] = useState('');
  const [frozen, setFrozen] = useState<readonly NumberedLine[] | null>(null);
  const [away, setAway] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const stopped = usePlatformStopped();
  const deploying = isDeploying(state);
  const source = chosen !== '' && chosen !== 'build' && !replicas.some(({ name }) => name === chosen) ? '' : chosen;
  // Before a replica runs, and when none is left, the build is all that there is to read.
  const building = source === '' && (deploying || (state === 'failed' && replicas.length === 0));
  const log = useLog(instanceName, building ? 'build' : source, isEnded(state));

  const wanted = text.trim().toLowerCase();
  const lines = (frozen ?? log.lines).filter(({ line }) => wanted === '' || line.toLowerCase().includes(wanted));

  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever there are other lines
  useLayoutEffect(() => {
    if (!away && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, away]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another log is read from its end again
  useEffect(() => {
    setFrozen(null);
    setAway(false);
  }, [source]);

  function scrolled(): void {
    const element = box.current;
    if (element) setAway(element.scrollHeight - element.scrollTop - element.clientHeight > AT_BOTTOM_PX);
  }

  const several = source === '' && replicas.length > 1;
  return (
    <Section
      title="Logs"
      aside={
        <Badge variant="light" color={log.status === 'live' && !frozen ? 'pine' : 'gray'} tt="none" role="status">
          {frozen
            ? 'Paused'
            : log.status === 'live'
              ? 'Following'
              : log.status === 'ended'
                ? 'Ended'
                : 'Waiting for more'}
        </Badge>
      }
    >
      <Group gap="sm" mb="sm">
        <Select
          aria-label="Whose log"
          data={[
            {
              value: '',
              label: deploying ? 'The build, then the replicas' : building ? 'What is left' : 'All replicas',
            },
            ...replicas.map(({ name }) => ({ value: name, label: name })),
            { value: 'build', label: 'The build' },
          ]}
          value={source}
          onChange={(next) => setChosen(next ?? '')}
          allowDeselect={false}
          style={{ flex: '1 1 11rem', maxWidth: '18rem' }}
        />
        <TextInput
          aria-label="Show only lines with"
          placeholder="Show only lines with …"
          type="search"
          leftSection={<Search size={16} aria-hidden="true" />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          style={{ flex: '1 1 11rem', maxWidth: '20rem' }}
        />
        <Button
          variant="default"
          onClick={() => setFrozen(frozen ? null : log.lines)}
          leftSection={frozen ? <Play size={16} aria-hidden="true" /> : <Pause size={16} aria-hidden="true" />}
        >
          {frozen ? `Go on${fresh(frozen, log.lines)}` : 'Pause'}
        </Button>
        {away && (
          <Button
            variant="light"
            onClick={() => setAway(false)}
            leftSection={<ArrowDown size={16} aria-hidden="true" />}
          >
            To the newest
          </Button>
        )}
      </Group>
      {log.problem && (
        <Alert color="marigold" mb="sm" role="status">
          {stopped ? 'What it prints cannot be read while the platform is stopped.' : asSentence(log.problem)}
        </Alert>
      )}
      {!(log.problem && lines.length === 0) && (
        <div
          ref={box}
          className="log"
          data-empty={lines.length === 0 || undefined}
          role="log"
          aria-live="off"
          aria-label={`Log of ${instanceName}`}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled with the keyboard, too
          tabIndex={0}
          onScroll={scrolled}
        >
          {lines.length === 0 ? (
            <Text size="sm" c="dimmed">
              {wanted !== ''
                ? 'No line has that.'
                : log.status === 'connecting'
                  ? 'Reading …'
                  : log.status === 'ended'
                    ? building
                      ? 'The build printed nothing. What a replica prints goes with it, but for its last lines.'
                      : 'Nothing is left of it.'
                    : 'It has printed nothing so far.'}
            </Text>
          ) : (
            lines.map(({ n, ts, replica, stream, line }) => (
              <div key={n} className="log-line" data-stream={stream}>
                <time dateTime={ts} title={longDateTime(Date.parse(ts))}>
                  {clockTime(Date.parse(ts))}
                </time>
                {several && <span>{shortName(replica, instanceName)}</span>}
                <span>
                  {wanted === '' ? (
                    line
                  ) : (
                    <Highlight component="span" inherit highlight={text.trim()}>
                      {line}
                    </Highlight>
                  )}
                </span>
              </div>
            ))
          )}
        </div>
      )}
    </Section>
  );
}

function fresh(frozen: readonly NumberedLine[], now: readonly NumberedLine[]): string {
  const count = (now.at(-1)?.n ?? 0) - (frozen.at(-1)?.n ?? 0);
  return count > 0 ? `, ${count} new` : '';
}
