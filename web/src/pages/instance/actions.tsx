import { Button } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { ArrowUpCircle, Ban, CircleStop, History, Rocket, RotateCw, Scaling } from 'lucide-react';
import { Link } from 'wouter';
import { post } from '../../api/client.ts';
import { appsQuery, platformQuery } from '../../api/queries.ts';
import type { Accepted, Instance } from '../../api/types.ts';
import { ActButton } from '../../components/act-button.tsx';
import { useConfirm } from '../../components/confirm.tsx';
import { isDeploying, isEnded, isServing } from '../../lib/states.ts';
import { useAction } from '../../lib/use-action.ts';
import { ScaleDialog } from './scale-dialog.tsx';
import { VersionDialog } from './version-dialog.tsx';

/** What can be done with an instance; what cannot says why. */
export function Actions({ instance }: { instance: Instance }) {
  const { instanceName: name, appName, version, state, rollout } = instance;
  const confirm = useConfirm();
  const platform = useQuery(platformQuery);
  const apps = useQuery(appsQuery);
  const [scaling, scale] = useDisclosure(false);
  const [upgrading, upgrade] = useDisclosure(false);
  const [rollingBack, rollback] = useDisclosure(false);
  const stop = useCommand(name, 'stopApp', `${name} is being stopped.`, 'was not stopped');
  const cancel = useCommand(name, 'cancel', `The deployment of ${name} is being given up.`, 'was not cancelled');
  const restart = useCommand(name, 'restart', `${name} is being restarted.`, 'was not restarted');

  const versions = apps.data?.find((app) => app.name === appName)?.versions.map((entry) => entry.version) ?? [];
  const others = versions.filter((entry) => entry !== version);
  const stopped = platform.data?.status === 'stopped' ? 'the platform is stopped' : null;
  const notServing = isServing(state) ? null : `only while it runs; it is ${state}`;
  const busy = rollout?.state === 'under way' ? `version ${rollout.version} is coming in` : null;
  const onlyVersion = others.length === 0 ? `the catalogue has no other version of ${appName}` : null;

  async function ask(title: string, text: string, yes: string, act: () => void): Promise<void> {
    if (await confirm({ title, text, yes, danger: true })) act();
  }

  if (isEnded(state)) {
    return (
      <Button
        component={Link}
        href={`/deploy/${appName}/${version}`}
        leftSection={<Rocket size={16} aria-hidden="true" />}
      >
        Deploy it again
      </Button>
    );
  }
  return (
    <>
      {isDeploying(state) ? (
        <ActButton
          leftSection={<Ban size={16} aria-hidden="true" />}
          loading={cancel.isPending}
          onClick={() =>
            ask(
              `Give up deploying ${name}?`,
              'What was built and started for it so far is removed.',
              'Cancel the deployment',
              () => cancel.mutate(undefined),
            )
          }
        >
          Cancel
        </ActButton>
      ) : (
        <>
          <ActButton
            leftSection={<Scaling size={16} aria-hidden="true" />}
            why={stopped ?? notServing}
            onClick={scale.open}
          >
            Scale
          </ActButton>
          <ActButton
            leftSection={<RotateCw size={16} aria-hidden="true" />}
            why={stopped ?? notServing ?? busy}
            loading={restart.isPending}
            onClick={() =>
              ask(
                `Restart ${name}?`,
                'Its replicas are replaced one after the other; what they hold in memory is lost.',
                'Restart',
                () => restart.mutate(undefined),
              )
            }
          >
            Restart
          </ActButton>
          <ActButton
            leftSection={<ArrowUpCircle size={16} aria-hidden="true" />}
            why={stopped ?? notServing ?? busy ?? onlyVersion}
            onClick={upgrade.open}
          >
            Upgrade
          </ActButton>
          <ActButton
            leftSection={<History size={16} aria-hidden="true" />}
            why={stopped ?? notServing ?? onlyVersion}
            onClick={rollback.open}
          >
            Roll back
          </ActButton>
          <ActButton
            color="red"
            variant="light"
            leftSection={<CircleStop size={16} aria-hidden="true" />}
            why={state === 'stopping' ? 'it is being stopped already' : null}
            loading={stop.isPending}
            onClick={() =>
              ask(
                `Stop ${name}?`,
                'Its replicas end and its address answers no more. Its settings stay; it can be deployed again.',
                'Stop it',
                () => stop.mutate(undefined),
              )
            }
          >
            Stop
          </ActButton>
        </>
      )}
      <ScaleDialog instance={instance} opened={scaling} onClose={scale.close} />
      <VersionDialog kind="upgrade" instance={instance} versions={others} opened={upgrading} onClose={upgrade.close} />
      <VersionDialog
        kind="rollback"
        instance={instance}
        versions={others}
        opened={rollingBack}
        onClose={rollback.close}
      />
    </>
  );
}

function useCommand(instanceName: string, command: string, done: string, failed: string) {
  return useAction({
    run: () => post<Accepted>(`/api/deployedApps/${command}/`, { instanceName }),
    done: () => done,
    failed: () => `${instanceName} ${failed}`,
    changes: [['instance', instanceName], ['instances']],
  });
}
