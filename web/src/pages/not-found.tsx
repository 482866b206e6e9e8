import { Button } from '@mantine/core';
import { Compass } from 'lucide-react';
import { Link } from 'wouter';
import { Nothing } from '../components/nothing.tsx';
import { Page } from '../components/page.tsx';

export function NotFound({ what = 'There is no such page' }: { what?: string }) {
  return (
    <Page title={what}>
      <Nothing icon={Compass} title="Perhaps the address was typed by hand, or what it showed is gone">
        <Button component={Link} href="/" variant="light">
          To the overview
        </Button>
      </Nothing>
    </Page>
  );
}
