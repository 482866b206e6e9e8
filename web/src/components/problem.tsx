import { Alert, Button, Group, List, Text } from '@mantine/core';
import { RotateCw, TriangleAlert } from 'lucide-react';
import { ApiError, sentence } from '../api/client.ts';

interface Props {
  error: unknown;
  /** What did not work, in words of the page. */
  title?: string;
  retry?: (() => void) | undefined;
  retrying?: boolean;
}

/** What went wrong, in the platform's own words, with every field at fault. */
export function ProblemNotice({ error, title, retry, retrying = false }: Props) {
  const api = error instanceof ApiError ? error : null;
  const others = api && api.fields.length > 0 ? api.fields : [];
  return (
    <Alert
      color="red"
      role="alert"
      icon={<TriangleAlert size={18} aria-hidden="true" />}
      title={title ?? api?.title ?? 'Something went wrong'}
    >
      <Text size="sm">{sentence(error)}</Text>
      {others.length > 0 && (
        <List size="sm" mt="xs" spacing={4}>
          {others.map((field) => (
            <List.Item key={`${field.path} ${field.message}`}>
              {field.path !== '' && <strong className="mono">{field.path}</strong>} {field.message}
              {field.received !== undefined && (
                <Text span size="sm">
                  {' '}
                  (received <span className="mono">{field.received}</span>)
                </Text>
              )}
            </List.Item>
          ))}
        </List>
      )}
      {api && api.lastLogLines.length > 0 && <pre className="log-excerpt">{api.lastLogLines.join('\n')}</pre>}
      {(retry || api?.code) && (
        <Group mt="sm" gap="md">
          {retry && (
            <Button
              size="xs"
              variant="default"
              onClick={retry}
              loading={retrying}
              leftSection={<RotateCw size={14} aria-hidden="true" />}
            >
              Try again
            </Button>
          )}
          {api?.code && (
            <Text size="xs" className="mono">
              {api.code}
            </Text>
          )}
        </Group>
      )}
    </Alert>
  );
}
