import { Button, Group, Stack } from '@mantine/core';
import { type FormEvent, type ReactNode, useEffect, useRef } from 'react';
import { ApiError } from '../api/client.ts';
import { Dialog } from './dialog.tsx';
import { ProblemNotice } from './problem.tsx';

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  yes: string;
  busy: boolean;
  error: unknown;
  /** What went wrong, in words of the form; default the platform's own. */
  problem?: (error: unknown) => ReactNode;
  disabled?: boolean;
  onSubmit: () => void;
  children: ReactNode;
}

const ordinary = (error: unknown): ReactNode => <ProblemNotice error={error} />;

/** A small form in a dialog. */
export function FormDialog({ disabled = false, problem = ordinary, ...props }: Props) {
  const { opened, onClose, title, yes, busy, error, onSubmit, children } = props;
  const notice = useRef<HTMLDivElement>(null);
  // Also where the form is longer than the screen.
  useEffect(() => {
    if (error !== null) notice.current?.scrollIntoView({ block: 'nearest' });
  }, [error]);
  function submit(event: FormEvent): void {
    event.preventDefault();
    if (!disabled) onSubmit();
  }
  return (
    <Dialog opened={opened} onClose={onClose} title={title}>
      <form onSubmit={submit}>
        <Stack>
          {children}
          {error !== null && <div ref={notice}>{problem(error)}</div>}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={disabled}>
              {yes}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}

/** What the platform said about one field. */
export function fieldError(error: unknown, path: string): string | undefined {
  return error instanceof ApiError ? error.fields.find((field) => field.path === path)?.message : undefined;
}
