import { AppShell, Burger, Group, NavLink, ScrollArea, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { BookOpen, Boxes, Gauge, LayoutGrid, type LucideIcon, Server, ShieldCheck } from 'lucide-react';
import { type MouseEvent, type ReactNode, useEffect } from 'react';
import { Link, useLocation } from 'wouter';
import { useIsAdmin } from '../lib/session.ts';
import { LiveNote } from './live-note.tsx';
import { Logo } from './logo.tsx';
import { SchemeMenu } from './scheme-menu.tsx';
import { UserMenu } from './user-menu.tsx';

interface Entry {
  href: string;
  label: string;
  icon: LucideIcon;
  admin?: boolean;
}

const ENTRIES: Entry[] = [
  { href: '/', label: 'Overview', icon: Gauge },
  { href: '/instances', label: 'Instances', icon: Boxes },
  { href: '/catalogue', label: 'Catalogue', icon: LayoutGrid },
  { href: '/machines', label: 'Machines', icon: Server },
  { href: '/administration', label: 'Administration', icon: ShieldCheck, admin: true },
];

/** Header, navigation and the place for the page. */
export function Shell({ children }: { children: ReactNode }) {
  const [open, { toggle, close }] = useDisclosure(false);
  const [location] = useLocation();
  const admin = useIsAdmin();
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever one goes elsewhere
  useEffect(close, [location]);

  function skip(event: MouseEvent): void {
    event.preventDefault();
    document.getElementById('main')?.focus();
  }

  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to a place of the page; the focus, too, is to go there */}
      <a className="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <AppShell
        header={{ height: 56 }}
        navbar={{ width: 216, breakpoint: 'sm', collapsed: { mobile: !open } }}
        padding={{ base: 'md', md: 'xl' }}
      >
        <AppShell.Header bg="var(--avk-surface)" px="md">
          <Group h="100%" justify="space-between" wrap="nowrap" gap="xs">
            <Group gap="xs" wrap="nowrap">
              <Burger
                opened={open}
                onClick={toggle}
                hiddenFrom="sm"
                size="sm"
                aria-label={open ? 'Close the navigation' : 'Open the navigation'}
                aria-expanded={open}
              />
              <Link
                href="/"
                aria-label="Avishkar, overview"
                style={{ display: 'flex', alignItems: 'center', gap: 10, color: 'inherit', textDecoration: 'none' }}
              >
                <Logo />
                <Text fw={700} size="lg" lts="-0.02em" visibleFrom="xs" span>
                  Avishkar
                </Text>
              </Link>
            </Group>
            <Group gap={6} wrap="nowrap">
              <LiveNote />
              <SchemeMenu />
              <UserMenu />
            </Group>
          </Group>
        </AppShell.Header>
        <AppShell.Navbar bg="var(--avk-surface)" p="sm" aria-label="Main">
          <AppShell.Section grow component={ScrollArea}>
            {ENTRIES.filter((entry) => !entry.admin || admin).map(({ href, label, icon: Icon }) => {
              const active = href === '/' ? location === '/' : location === href || location.startsWith(`${href}/`);
              return (
                <NavLink
                  key={href}
                  component={Link}
                  href={href}
                  label={label}
                  active={active || (href === '/catalogue' && location.startsWith('/deploy/'))}
                  aria-current={active ? 'page' : undefined}
                  leftSection={<Icon size={18} aria-hidden="true" />}
                  mb={2}
                  style={{ borderRadius: 'var(--mantine-radius-md)' }}
                />
              );
            })}
          </AppShell.Section>
          <AppShell.Section>
            <NavLink
              href="/docs"
              target="_blank"
              rel="noreferrer"
              label="API reference"
              leftSection={<BookOpen size={18} aria-hidden="true" />}
              style={{ borderRadius: 'var(--mantine-radius-md)' }}
            />
          </AppShell.Section>
        </AppShell.Navbar>
        <AppShell.Main id="main" tabIndex={-1} data-landing>
          {children}
        </AppShell.Main>
      </AppShell>
    </>
  );
}
