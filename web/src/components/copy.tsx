import { ActionIcon, CopyButton, Tooltip } from '@mantine/core';
import { Check, Copy as CopyIcon } from 'lucide-react';

/** Copies a text; says so to those who see and those who listen. */
export function Copy({ value, what }: { value: string; what: string }) {
  return (
    <CopyButton value={value} timeout={2000}>
      {({ copied, copy }) => (
        <>
          <Tooltip label={copied ? 'Copied' : `Copy ${what}`}>
            <ActionIcon variant="subtle" color={copied ? 'pine' : 'gray'} onClick={copy} aria-label={`Copy ${what}`}>
              {copied ? <Check size={16} aria-hidden="true" /> : <CopyIcon size={16} aria-hidden="true" />}
            </ActionIcon>
          </Tooltip>
          <span className="for-listeners" role="status">
            {copied ? `${what} copied` : ''}
          </span>
        </>
      )}
    </CopyButton>
  );
}
