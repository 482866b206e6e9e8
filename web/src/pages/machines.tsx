import { Button, SegmentedControl, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Plus, Server } from 'lucide-react';
import { useState } from 'react';
import { machinesQuery } from '../api/queries.ts';
import { Nothing } from '../components/nothing.tsx';
import { Page } from '../components/page.tsx';
import { QueryView, Rows } from '../components/query-view.tsx';
import { Section } from '../components/section.tsx';
import { useIsAdmin } from '../lib/session.ts';
import { AddMachine } from './machines/add-machine.tsx';
import { MachineHistory } from './machines/history.tsx';
import { MachineTable } from './machines/table.tsx';

const RANGES = [
  { value: '15', label: '15 min' },
  { value: '60', label: '1 h' },
  { value: '1440', label: '24 h' },
  { value: '10080', label: '7 days' },
];

export default function Machines() {
  const query = useQuery(machinesQuery);
  const [minutes, setMinutes] = useState('60');
  const [adding, setAdding] = useState(false);
  // Machines that are pretended can neither come nor go.
  const changeable = useIsAdmin() && query.data?.some(({ role }) => role !== 'pretended') === true;
  return (
    <Page
      title="Machines"
      lead="Where apps run. The next replica goes to the machine with the highest score."
      {...(changeable
        ? {
            actions: (
              <Button leftSection={<Plus size={16} aria-hidden="true" />} onClick={() => setAdding(true)}>
                Add a machine
              </Button>
            ),
          }
        : {})}
    >
      <AddMachine opened={adding} onClose={() => setAdding(false)} />
      <QueryView query={query} what="The machines" skeleton={<Rows count={4} height={72} />}>
        {(machines) =>
          machines.length === 0 ? (
            <Nothing icon={Server} title="No machine is known" />
          ) : (
            <Stack gap="xl">
              <MachineTable machines={machines} />
              <Section
                title="History"
                aside={
                  <SegmentedControl
                    size="xs"
                    aria-label="Time shown"
                    data={RANGES}
                    value={minutes}
                    onChange={setMinutes}
                  />
                }
              >
                <MachineHistory minutes={Number(minutes)} machines={machines.map(({ name }) => name)} />
              </Section>
            </Stack>
          )
        }
      </QueryView>
    </Page>
  );
}
