import { Center, Loader } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useState } from 'react';
import { Redirect, Route, Switch } from 'wouter';
import { ApiError, whenSignedOut } from './api/client.ts';
import { meQuery, queryClient } from './api/queries.ts';
import { Boundary } from './components/boundary.tsx';
import { ProblemNotice } from './components/problem.tsx';
import { Rows } from './components/query-view.tsx';
import { Shell } from './components/shell.tsx';
import { Session } from './lib/session.ts';
import { useLive } from './live/use-live.ts';
import { NotFound } from './pages/not-found.tsx';
import { SignIn } from './pages/sign-in.tsx';

const Overview = lazy(() => import('./pages/overview.tsx'));
const Instances = lazy(() => import('./pages/instances.tsx'));
const InstancePage = lazy(() => import('./pages/instance.tsx'));
const Catalogue = lazy(() => import('./pages/catalogue.tsx'));
const Deploy = lazy(() => import('./pages/deploy.tsx'));
const Machines = lazy(() => import('./pages/machines.tsx'));
const Administration = lazy(() => import('./pages/administration.tsx'));
const Account = lazy(() => import('./pages/account.tsx'));

/** Whoever is signed in gets the pages; who is not, signs in at the same address and is then where they wanted to be. */
export function App() {
  const me = useQuery(meQuery);
  const [over, setOver] = useState(false);
  useEffect(() => {
    whenSignedOut(() => setOver(true));
  }, []);
  const signedOut = over || (me.error instanceof ApiError && me.error.status === 401);

  async function signedIn(): Promise<void> {
    queryClient.clear();
    await queryClient.fetchQuery(meQuery);
    await me.refetch();
    setOver(false);
  }

  if (signedOut) return <SignIn expired={me.data !== undefined} onSignedIn={signedIn} />;
  if (me.data) {
    return (
      <Session.Provider value={me.data}>
        <SignedIn />
      </Session.Provider>
    );
  }
  return (
    <Center mih="100dvh" p="md" component="main">
      {me.error ? (
        <ProblemNotice
          error={me.error}
          title="The platform cannot be reached"
          retry={() => me.refetch()}
          retrying={me.isFetching}
        />
      ) : (
        <Loader aria-label="Loading" />
      )}
    </Center>
  );
}

function SignedIn() {
  useLive();
  return (
    <Shell>
      <Boundary>
        <Suspense fallback={<Rows count={5} height={72} />}>
          <Switch>
            <Route path="/" component={Overview} />
            <Route path="/instances/:name">{({ name }) => <InstancePage key={name} name={name} />}</Route>
            <Route path="/instances" component={Instances} />
            <Route path="/catalogue" component={Catalogue} />
            <Route path="/deploy/:app/:version">
              {({ app, version }) => <Deploy key={`${app} ${version}`} app={app} version={version} />}
            </Route>
            <Route path="/machines" component={Machines} />
            <Route path="/administration/:tab?">{({ tab }) => <Administration tab={tab ?? 'users'} />}</Route>
            <Route path="/account" component={Account} />
            <Route path="/schedules">
              <Redirect to="/instances?tab=scheduled" replace />
            </Route>
            <Route>
              <NotFound />
            </Route>
          </Switch>
        </Suspense>
      </Boundary>
    </Shell>
  );
}
