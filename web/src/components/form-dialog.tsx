import { Button, Group, Modal, Stack } from '@mantine/core';
import type { FormEvent, ReactNode } from 'react';
import { ApiError } from '../api/client.ts';
import { ProblemNotice } from './problem.tsx';

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  yes: string;
  busy: boolean;
  error: unknown;
  disabled?: boolean;
  onSubmit: () => void;
  children: ReactNode;
}

/** A small form in a dialog. */
export function FormDialog({ opened, onClose, title, yes, busy, error, disabled = false, onSubmit, children }: Props) {
  function submit(event: FormEvent): void {
    event.preventDefault();
    if (!disabled) onSubmit();
  }
  return (
    <Modal opened={opened} onClose={onClose} title={title}>
      <form onSubmit={submit}>
        <Stack>
          {children}
          {error !== null && <ProblemNotice error={error} />}
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
    </Modal>
  );
}

/** What the platform said about one field. */
export function fieldError(error: unknown, path: string): string | undefined {
  return error instanceof ApiError ? error.fields.find((field) => field.path === path)?.message : undefined;
}
