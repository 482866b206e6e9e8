import { Button, Tabs } from '@mantine/core';
import { Boxes, CalendarClock, Plus } from 'lucide-react';
import { Link, useSearchParams } from 'wouter';
import { Page } from '../components/page.tsx';
import { InstanceList } from './instances/list.tsx';
import { ScheduleList } from './instances/schedules.tsx';

export default function Instances() {
  const [search, setSearch] = useSearchParams();
  const tab = search.get('tab') === 'scheduled' ? 'scheduled' : 'all';
  return (
    <Page
      title="Instances"
      lead="What runs, what is on its way, and what has ended."
      actions={
        <Button component={Link} href="/catalogue" leftSection={<Plus size={16} aria-hidden="true" />}>
          Deploy an app
        </Button>
      }
    >
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(value) => setSearch(value === 'scheduled' ? { tab: 'scheduled' } : {}, { replace: true })}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="all" leftSection={<Boxes size={16} aria-hidden="true" />}>
            Instances
          </Tabs.Tab>
          <Tabs.Tab value="scheduled" leftSection={<CalendarClock size={16} aria-hidden="true" />}>
            Scheduled
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="all">
          <InstanceList />
        </Tabs.Panel>
        <Tabs.Panel value="scheduled">
          <ScheduleList />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
