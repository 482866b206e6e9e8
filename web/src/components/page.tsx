import { Anchor, Box, Group, Text, Title } from '@mantine/core';
import { ChevronLeft } from 'lucide-react';
import { type ReactNode, useEffect, useRef } from 'react';
import { Link } from 'wouter';

interface Props {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  /** Beside the title. */
  badge?: ReactNode;
  back?: { href: string; label: string };
  children: ReactNode;
}

let navigated = false;

/** One page: its title in the window and as the heading, where the focus goes when one comes from another page. */
export function Page({ title, lead, actions, badge, back, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Avishkar`;
  }, [title]);
  useEffect(() => {
    // The first page of a visit leaves the focus where the browser put it, so that the skip link is the first stop.
    if (navigated) heading.current?.focus({ preventScroll: true });
    navigated = true;
    window.scrollTo({ top: 0 });
  }, []);
  return (
    <Box maw="105rem" mx="auto">
      {back && (
        <Anchor
          component={Link}
          href={back.href}
          size="sm"
          mb={6}
          style={{ display: 'inline-flex', alignItems: 'center' }}
        >
          <ChevronLeft size={16} aria-hidden="true" />
          {back.label}
        </Anchor>
      )}
      <Group justify="space-between" align="flex-start" gap="md" mb="lg">
        <Box style={{ minWidth: 0, flex: '1 1 16rem' }}>
          <Group gap="sm">
            <Title order={1} ref={heading} tabIndex={-1} data-landing>
              {title}
            </Title>
            {badge}
          </Group>
          {lead && (
            <Text c="dimmed" mt={4} component="div">
              {lead}
            </Text>
          )}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Box>
  );
}
