import { Anchor, Group } from '@mantine/core';
import { ExternalLink } from 'lucide-react';
import { Copy } from './copy.tsx';

/** Where an instance is served, opened beside this page. */
export function EndPoint({ url, copy = false }: { url: string; copy?: boolean }) {
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
