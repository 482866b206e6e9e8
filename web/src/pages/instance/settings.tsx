import { Card, Table, Text } from '@mantine/core';
import type { Instance } from '../../api/types.ts';
import { Section } from '../../components/section.tsx';

/** The settings it was deployed with; secrets come masked. */
export function Settings({ instance: { config, scale, generation } }: { instance: Instance }) {
  const entries = Object.entries(config);
  return (
    <Section title="Settings">
      <Card padding={entries.length === 0 ? 'lg' : 0}>
        {entries.length === 0 ? (
          <Text size="sm" c="dimmed">
            This app has no settings.
          </Text>
        ) : (
          <Table aria-label="Settings" layout="fixed">
            <Table.Tbody>
              {entries.map(([key, value]) => (
                <Table.Tr key={key}>
                  <Table.Th scope="row" className="mono" fw={500}>
                    {key}
                  </Table.Th>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>
                    {typeof value === 'boolean' ? (value ? 'Yes' : 'No') : String(value)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Card>
      <Text size="sm" c="dimmed" mt="xs">
        Its replicas are busy above {scale.cpuPercent} % CPU or {scale.memoryPercent} % memory. Generation {generation}.
      </Text>
    </Section>
  );
}
