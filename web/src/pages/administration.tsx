import { Tabs } from '@mantine/core';
import { KeySquare, ScrollText, ShieldX, UsersRound } from 'lucide-react';
import { useLocation } from 'wouter';
import { Nothing } from '../components/nothing.tsx';
import { Page } from '../components/page.tsx';
import { useIsAdmin } from '../lib/session.ts';
import { AuditLog } from './administration/audit-log.tsx';
import { Tokens } from './administration/tokens.tsx';
import { Users } from './administration/users.tsx';

const TABS = [
  { value: 'users', label: 'Users', icon: UsersRound, panel: <Users /> },
  { value: 'tokens', label: 'Tokens', icon: KeySquare, panel: <Tokens /> },
  { value: 'audit', label: 'Audit log', icon: ScrollText, panel: <AuditLog /> },
];

export default function Administration({ tab }: { tab: string }) {
  const [, navigate] = useLocation();
  const admin = useIsAdmin();
  if (!admin) {
    return (
      <Page title="Administration">
        <Nothing icon={ShieldX} title="This is for administrators" text="Ask one if you need something changed." />
      </Page>
    );
  }
  return (
    <Page title="Administration" lead="Who may do what, and who did what.">
      <Tabs
        value={TABS.some(({ value }) => value === tab) ? tab : 'users'}
        onChange={(value) => navigate(`/administration/${value}`, { replace: true })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {TABS.map(({ value, label, icon: Icon }) => (
            <Tabs.Tab key={value} value={value} leftSection={<Icon size={16} aria-hidden="true" />}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map(({ value, panel }) => (
          <Tabs.Panel key={value} value={value}>
            {panel}
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
