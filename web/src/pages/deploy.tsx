import { useQuery } from '@tanstack/react-query';
import { appsQuery } from '../api/queries.ts';
import { Page } from '../components/page.tsx';
import { QueryView, Rows } from '../components/query-view.tsx';
import { DeployForm } from './deploy/form.tsx';
import { NotFound } from './not-found.tsx';

/** One version of an app, to be deployed with its own settings. */
export default function Deploy({ app, version }: { app: string; version: string }) {
  const query = useQuery(appsQuery);
  const found = query.data?.find(({ name }) => name === app)?.versions.find((entry) => entry.version === version);
  if (query.data && !found) return <NotFound what={`There is no version ${version} of ${app}`} />;
  return (
    <Page
      title={`Deploy ${app} ${version}`}
      lead={found?.manifest.description || undefined}
      back={{ href: '/catalogue', label: 'Catalogue' }}
    >
      <QueryView query={query} what="The catalogue" skeleton={<Rows count={5} height={64} />}>
        {() => found && <DeployForm manifest={found.manifest} />}
      </QueryView>
    </Page>
  );
}
