import '@mantine/dropzone/styles.css';
import { Alert, Anchor, Button, Group, Progress, Stack, Text } from '@mantine/core';
import { Dropzone } from '@mantine/dropzone';
import { useQueryClient } from '@tanstack/react-query';
import { CircleCheck, FileArchive, X } from 'lucide-react';
import { useRef, useState } from 'react';
import { Link } from 'wouter';
import type { Uploaded } from '../../api/types.ts';
import { type Upload, upload } from '../../api/upload.ts';
import { ProblemNotice } from '../../components/problem.tsx';
import { Section } from '../../components/section.tsx';

type Phase =
  | { is: 'idle' }
  | { is: 'sending'; file: string; share: number }
  | { is: 'done'; app: Uploaded; created: boolean }
  | { is: 'refused'; file: string; error: unknown };

/** Takes a zip by drag and drop, by button or by keyboard, and says what became of it. */
export default function UploadBox() {
  const client = useQueryClient();
  const open = useRef<() => void>(null);
  const running = useRef<Upload | null>(null);
  const [phase, setPhase] = useState<Phase>({ is: 'idle' });

  async function take([file]: File[]): Promise<void> {
    if (!file) return;
    if (!/\.zip$/i.test(file.name)) {
      setPhase({ is: 'refused', file: file.name, error: 'Expected a zip, with an app.json at its root' });
      return;
    }
    setPhase({ is: 'sending', file: file.name, share: 0 });
    running.current = upload(file, (share) =>
      setPhase((before) => (before.is === 'sending' ? { ...before, share } : before)),
    );
    try {
      const { created, app } = await running.current.done;
      setPhase({ is: 'done', created, app });
      await client.invalidateQueries({ queryKey: ['apps'] });
    } catch (error) {
      const given = error instanceof DOMException && error.name === 'AbortError';
      setPhase(given ? { is: 'idle' } : { is: 'refused', file: file.name, error });
    }
  }

  const sending = phase.is === 'sending';
  return (
    <Section title="Upload an app">
      <Stack gap="sm">
        <Dropzone
          onDrop={take}
          onReject={(rejected) => take(rejected.map(({ file }) => file as File))}
          openRef={open}
          multiple={false}
          disabled={sending}
          activateOnClick={false}
          activateOnKeyboard={false}
          tabIndex={-1}
          enablePointerEvents
          inputProps={{ 'aria-label': 'Zip of an app', accept: '.zip,application/zip' }}
          p="lg"
        >
          <Group justify="center" gap="md">
            <FileArchive size={30} aria-hidden="true" color="var(--mantine-color-anchor)" />
            <div>
              <Text fw={500}>Drop a zip here</Text>
              <Text size="sm" c="dimmed">
                with an app.json at its root
              </Text>
            </div>
            <Button variant="light" onClick={() => open.current?.()} disabled={sending}>
              Choose a file
            </Button>
          </Group>
        </Dropzone>
        <div aria-live="polite">
          {phase.is === 'sending' && (
            <Group gap="sm" wrap="nowrap">
              <div style={{ flex: 1, minWidth: 0 }}>
                <Text size="sm" mb={4}>
                  {phase.share < 1 ? `Uploading ${phase.file}` : `Checking ${phase.file}`}
                </Text>
                <Progress.Root size="lg">
                  <Progress.Section
                    value={phase.share * 100}
                    aria-label={`Upload of ${phase.file}`}
                    animated={phase.share >= 1}
                  />
                </Progress.Root>
              </div>
              <Button
                variant="default"
                size="xs"
                leftSection={<X size={14} aria-hidden="true" />}
                onClick={() => running.current?.cancel()}
              >
                Cancel
              </Button>
            </Group>
          )}
          {phase.is === 'done' && (
            <Alert
              color="pine"
              icon={<CircleCheck size={18} aria-hidden="true" />}
              title={
                phase.created
                  ? `${phase.app.name} ${phase.app.version} is in the catalogue`
                  : `${phase.app.name} ${phase.app.version} was in the catalogue already, with the same content`
              }
            >
              <Anchor component={Link} href={`/deploy/${phase.app.name}/${phase.app.version}`} size="sm">
                Deploy it
              </Anchor>
            </Alert>
          )}
          {phase.is === 'refused' && <ProblemNotice error={phase.error} title={`${phase.file} was refused`} />}
        </div>
      </Stack>
    </Section>
  );
}
