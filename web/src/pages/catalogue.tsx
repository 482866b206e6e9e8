import { Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { PackageOpen } from 'lucide-react';
import { lazy, Suspense } from 'react';
import { appsQuery } from '../api/queries.ts';
import { Nothing } from '../components/nothing.tsx';
import { Page } from '../components/page.tsx';
import { QueryView, Rows } from '../components/query-view.tsx';
import { useIsDeveloper } from '../lib/session.ts';
import { AppCard } from './catalogue/app-card.tsx';

const UploadBox = lazy(() => import('./catalogue/upload-box.tsx'));

/** All apps with their versions, and the way in for new ones. */
export default function Catalogue() {
  const query = useQuery(appsQuery);
  const developer = useIsDeveloper();
  return (
    <Page
      title="Catalogue"
      lead="Apps that can be deployed. An instance of one has its own settings and its own address."
    >
      <Stack gap="xl">
        {developer && (
          <Suspense fallback={<Rows count={1} height={150} />}>
            <UploadBox />
          </Suspense>
        )}
        <QueryView query={query} what="The catalogue" skeleton={<Rows count={3} height={130} />}>
          {(apps) =>
            apps.length === 0 ? (
              <Nothing
                icon={PackageOpen}
                title="There is no app yet"
                text={developer ? 'Upload a zip with an app.json at its root.' : 'A developer can upload one.'}
              />
            ) : (
              <Stack>
                {apps.map((app) => (
                  <AppCard key={app.name} app={app} />
                ))}
              </Stack>
            )
          }
        </QueryView>
      </Stack>
    </Page>
  );
}
