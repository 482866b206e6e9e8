import { SimpleGrid, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { machinesQuery } from '../../api/queries.ts';
import { MachineCard } from '../../components/machine-card.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';

export function MachineCards() {
  const query = useQuery(machinesQuery);
  return (
    <Section title="Machines">
      <QueryView query={query} what="The machines" skeleton={<Skeleton height={150} />}>
        {(machines) => (
          <SimpleGrid cols={{ base: 1, sm: 2, xl: 3 }} spacing="sm">
            {machines.map((machine) => (
              <MachineCard key={machine.name} machine={machine} />
            ))}
          </SimpleGrid>
        )}
      </QueryView>
    </Section>
  );
}
