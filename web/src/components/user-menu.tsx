import { Button, Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { CircleUserRound, KeyRound, LogOut } from 'lucide-react';
import { Link } from 'wouter';
import { ApiError, post, sentence, sessionEnded } from '../api/client.ts';
import { queryClient } from '../api/queries.ts';
import { useMe } from '../lib/session.ts';
import { hangUp } from '../live/use-live.ts';

export function UserMenu() {
  const me = useMe();

  async function signOut(): Promise<void> {
    const goOn = hangUp();
    await queryClient.cancelQueries();
    try {
      await post('/api/auth/logout/');
    } catch (error) {
      // Without the platform's word the cookie is still good: pretending would leave the session open.
      if (!(error instanceof ApiError && error.status === 401)) {
        goOn();
        notifications.show({ title: 'You are still signed in', message: sentence(error), color: 'red', role: 'alert' });
        return;
      }
    }
    queryClient.clear();
    sessionEnded();
  }

  return (
    <Menu position="bottom-end" width={210}>
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          px="xs"
          leftSection={<CircleUserRound size={19} aria-hidden="true" />}
          aria-label={`Account of ${me.username}`}
          styles={{ label: { maxWidth: '8rem' } }}
        >
          {me.username}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {me.username}, {me.role}
        </Menu.Label>
        <Menu.Item component={Link} href="/account" leftSection={<KeyRound size={16} aria-hidden="true" />}>
          Account and password
        </Menu.Item>
        <Menu.Item onClick={signOut} leftSection={<LogOut size={16} aria-hidden="true" />}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
