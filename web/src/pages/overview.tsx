import { Box, SimpleGrid, Stack } from '@mantine/core';
import { Page } from '../components/page.tsx';
import { useMe } from '../lib/session.ts';
import { Attention } from './overview/attention.tsx';
import { Counts } from './overview/counts.tsx';
import { MachineCards } from './overview/machine-cards.tsx';
import { PlatformCard } from './overview/platform-card.tsx';
import { RecentEvents } from './overview/recent-events.tsx';
import { Services } from './overview/services.tsx';

export default function Overview() {
  const { username } = useMe();
  return (
    <Page title="Overview" lead={`Good to see you, ${username}.`}>
      <Stack gap="xl">
        <PlatformCard />
        <Counts />
        <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="xl">
          <Box>
            <Attention />
          </Box>
          <Box>
            <RecentEvents />
          </Box>
        </SimpleGrid>
        <MachineCards />
        <Services />
      </Stack>
    </Page>
  );
}
