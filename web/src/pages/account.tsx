import { Button, Card, Group, PasswordInput, Stack, Text } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { post } from '../api/client.ts';
import { fieldError } from '../components/form-dialog.tsx';
import { Moment } from '../components/moment.tsx';
import { Page } from '../components/page.tsx';
import { ProblemNotice } from '../components/problem.tsx';
import { Section } from '../components/section.tsx';
import { SHORTEST_PASSWORD } from '../lib/roles.ts';
import { useMe } from '../lib/session.ts';
import { useAction } from '../lib/use-action.ts';

const EYE = { 'aria-label': 'Show the password', tabIndex: 0 };

/** One's own account. */
export default function Account() {
  const { username, role, createdAt, lastLoginAt } = useMe();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [mismatch, setMismatch] = useState(false);
  const action = useAction({
    run: () => post('/api/users/me/password/', { currentPassword: current, newPassword: next }),
    done: () => 'Your password is changed. Your other sessions have ended.',
  });

  function submit(event: FormEvent): void {
    event.preventDefault();
    setMismatch(next !== again);
    if (next !== again) return;
    action.mutate(undefined, {
      onSuccess() {
        setCurrent('');
        setNext('');
        setAgain('');
      },
    });
  }

  return (
    <Page title="Account" lead={`Signed in as ${username}, with the role ${role}.`}>
      <Stack gap="xl" maw="32rem">
        <Text size="sm">
          Since <Moment at={createdAt} as="date" never="the beginning" />; last signed in{' '}
          <Moment at={lastLoginAt} never="just now" />.
        </Text>
        <Section title="Change the password">
          <Card component="form" onSubmit={submit}>
            <Stack>
              {/* Tells password managers whose it is. */}
              <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
              <PasswordInput
                label="Present password"
                required
                autoComplete="current-password"
                value={current}
                onChange={(event) => setCurrent(event.currentTarget.value)}
                error={fieldError(action.error, 'currentPassword')}
                visibilityToggleButtonProps={EYE}
              />
              <PasswordInput
                label="New password"
                description={`At least ${SHORTEST_PASSWORD} characters`}
                required
                minLength={SHORTEST_PASSWORD}
                autoComplete="new-password"
                value={next}
                onChange={(event) => setNext(event.currentTarget.value)}
                error={fieldError(action.error, 'newPassword')}
                visibilityToggleButtonProps={EYE}
              />
              <PasswordInput
                label="The new password again"
                required
                autoComplete="new-password"
                value={again}
                onChange={(event) => setAgain(event.currentTarget.value)}
                error={mismatch ? 'Expected the same as above' : undefined}
                visibilityToggleButtonProps={EYE}
              />
              {action.error && <ProblemNotice error={action.error} title="The password was not changed" />}
              <Group justify="flex-end">
                <Button type="submit" loading={action.isPending}>
                  Change the password
                </Button>
              </Group>
            </Stack>
          </Card>
        </Section>
      </Stack>
    </Page>
  );
}
