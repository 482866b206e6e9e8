import { Box, Card, Group, Stack, Table, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import type { ReactNode } from 'react';

export interface Column<T> {
  title: string;
  /** Null: there is nothing to say. */
  cell: (row: T) => ReactNode;
  /** Stands at the head of the card on narrow screens. */
  head?: boolean;
  align?: 'left' | 'right';
  /** Actions: the title is only for those who listen. */
  quiet?: boolean;
  width?: string;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
}

/** A table; on narrow screens, a list of cards with the same content. */
export function DataTable<T>({ label, rows, columns, keyOf }: Props<T>) {
  const wide = useMediaQuery('(min-width: 62em)', true, { getInitialValueInEffect: false });
  return wide ? (
    <Card padding={0}>
      <Table.ScrollContainer minWidth={640} type="native">
        <Table aria-label={label} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Table.Th key={column.title} scope="col" ta={column.align ?? 'left'} w={column.width}>
                  {column.quiet ? <span className="for-listeners">{column.title}</span> : column.title}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={keyOf(row)}>
                {columns.map((column) => (
                  <Table.Td key={column.title} ta={column.align ?? 'left'}>
                    {column.cell(row) ?? <Dash />}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  ) : (
    <Stack gap="sm" component="ul" className="plain-list" aria-label={label}>
      {rows.map((row) => (
        <Card key={keyOf(row)} component="li" padding="sm">
          <Group justify="space-between" gap="xs" mb={4}>
            {columns
              .filter((column) => column.head)
              .map((column) => (
                <Box key={column.title} style={{ minWidth: 0 }}>
                  {column.cell(row)}
                </Box>
              ))}
          </Group>
          <Stack gap={4} component="dl" m={0}>
            {columns
              .filter((column) => !column.head && !column.quiet)
              .map((column) => ({ title: column.title, content: column.cell(row) }))
              .filter(({ content }) => content !== null)
              .map(({ title, content }) => (
                <Group key={title} gap="sm" wrap="nowrap" align="baseline">
                  <Text component="dt" size="sm" c="dimmed" w="7rem" style={{ flex: 'none' }}>
                    {title}
                  </Text>
                  <Box component="dd" m={0} style={{ minWidth: 0, flex: 1 }} fz="sm">
                    {content}
                  </Box>
                </Group>
              ))}
          </Stack>
          {columns
            .filter((column) => column.quiet)
            .map((column) => (
              <Group key={column.title} mt="sm" justify="flex-end" className="quiet">
                {column.cell(row)}
              </Group>
            ))}
        </Card>
      ))}
    </Stack>
  );
}

function Dash() {
  return (
    <Text span c="dimmed">
      –
    </Text>
  );
}
