import {
  Alert,
  Anchor,
  Box,
  Button,
  Card,
  Center,
  Group,
  PasswordInput,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { ApiError, sentence, signIn } from '../api/client.ts';
import { Logo } from '../components/logo.tsx';

interface Props {
  /** Somebody was signed in until just now. */
  expired: boolean;
  onSignedIn: () => Promise<void>;
}

export function SignIn({ expired, onSignedIn }: Props) {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [forgot, { toggle }] = useDisclosure(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => {
    first.current?.focus();
    document.title = 'Sign in · Avishkar';
  }, []);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(username, password);
      await onSignedIn();
    } catch (problem) {
      const wrong = problem instanceof ApiError && problem.status === 401;
      setError(wrong ? 'Username or password is wrong.' : sentence(problem));
      setBusy(false);
    }
  }

  return (
    <Center mih="100dvh" p="md" component="main">
      <Box w="100%" maw="25rem">
        <Group justify="center" gap="sm" mb="lg">
          <Logo size={44} />
          <Title order={1}>Avishkar</Title>
        </Group>
        <Card padding="xl" component="form" onSubmit={submit}>
          <Stack>
            <Title order={2}>Sign in</Title>
            {expired && !error && (
              <Alert color="sky" role="status">
                Your session is over. Sign in, and you are back where you were.
              </Alert>
            )}
            {error && (
              <Alert color="red" role="alert" id="sign-in-error">
                {error}
              </Alert>
            )}
            <TextInput
              label="Username"
              name="username"
              ref={first}
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
              withAsterisk={false}
              value={username}
              onChange={(event) => setUsername(event.currentTarget.value)}
              aria-describedby={error ? 'sign-in-error' : undefined}
            />
            <PasswordInput
              label="Password"
              name="password"
              autoComplete="current-password"
              required
              withAsterisk={false}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
            />
            <Button type="submit" loading={busy} fullWidth>
              Sign in
            </Button>
            <Anchor component="button" type="button" size="sm" onClick={toggle} aria-expanded={forgot}>
              Forgot the password?
            </Anchor>
            {forgot && (
              <Text size="sm" c="dimmed">
                An administrator can give you a new one: in Administration, Users, or on the platform's machine with{' '}
                <span className="mono">npx avishkar passwd NAME</span>. The administrator's own first password was
                printed by the first start.
              </Text>
            )}
          </Stack>
        </Card>
      </Box>
    </Center>
  );
}
