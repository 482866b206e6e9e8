import { Anchor, Group, Text } from '@mantine/core';
import { ExternalLink } from 'lucide-react';
import { Copy } from './copy.tsx';

/** Where an instance is served, opened beside this page. */
export function EndPoint({ url, copy = false }: { url: string | null; copy?: boolean }) {
  if (!url) {
    return (
      <Text span c="dimmed" size="sm">
        –
      </Text>
    );
  }
  return (
    <Group gap={4} wrap="nowrap">
      <Anchor href={url} target="_blank" rel="noreferrer" className="mono" style={{ whiteSpace: 'nowrap' }}>
        {url.replace(/^https?:\/\//, '')}
        <ExternalLink size={13} aria-hidden="true" style={{ marginLeft: 4, verticalAlign: -1 }} />
        <span className="for-listeners"> (opens in a new tab)</span>
      </Anchor>
      {copy && <Copy value={url} what="the address" />}
    </Group>
  );
}
