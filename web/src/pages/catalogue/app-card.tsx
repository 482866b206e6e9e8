import { Anchor, Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { Rocket, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { remove } from '../../api/client.ts';
import type { App, AppVersion } from '../../api/types.ts';
import { useConfirm } from '../../components/confirm.tsx';
import { Moment } from '../../components/moment.tsx';
import { bytes, plural } from '../../lib/format.ts';
import { useIsAdmin, useMe } from '../../lib/session.ts';
import { useAction } from '../../lib/use-action.ts';

const SHOWN = 3;

/** An app and its versions, the newest first. */
export function AppCard({ app: { name, versions } }: { app: App }) {
  const [all, setAll] = useState(false);
  const [newest] = versions;
  if (!newest) return null;
  const { description, runtime, config, sensors } = newest.manifest;
  const shown = all ? versions : versions.slice(0, SHOWN);
  return (
    <Card component="article" aria-label={name}>
      <Group gap="sm" mb={4}>
        <Title order={2}>{name}</Title>
        <Badge variant="light" color="gray" tt="none" radius="sm">
          {runtime}
        </Badge>
      </Group>
      {description && <Text size="sm">{description}</Text>}
      <Text size="sm" c="dimmed">
        {config.length === 0 ? 'no settings' : plural(config.length, 'setting')}
        {sensors.length > 0 &&
          `, places for ${plural(
            sensors.reduce((sum, { count }) => sum + count, 0),
            'sensor',
          )}`}
      </Text>
      <Stack gap={0} component="ul" className="plain-list versions" mt="sm" aria-label={`Versions of ${name}`}>
        {shown.map((version, index) => (
          <Version key={version.version} app={name} version={version} newest={index === 0} />
        ))}
      </Stack>
      {versions.length > SHOWN && (
        <Anchor component="button" type="button" size="sm" mt="xs" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Only the newest' : `All ${versions.length} versions`}
        </Anchor>
      )}
    </Card>
  );
}

function Version({ app, version: entry, newest }: { app: string; version: AppVersion; newest: boolean }) {
  const { version, sizeBytes, uploadedAt, uploadedBy } = entry;
  const me = useMe();
  const admin = useIsAdmin();
  const confirm = useConfirm();
  const drop = useAction({
    run: () => remove(`/api/baseApp/${encodeURIComponent(app)}/${encodeURIComponent(version)}/`),
    done: () => `${app} ${version} is deleted.`,
    failed: () => `${app} ${version} was not deleted`,
    changes: [['apps']],
  });

  async function ask(): Promise<void> {
    const yes = await confirm({
      title: `Delete ${app} ${version}?`,
      text: 'It cannot be deployed any more, nor can an instance go back to it. Only an upload brings it back.',
      yes: 'Delete this version',
      danger: true,
    });
    if (yes) drop.mutate(undefined);
  }

  const mayDelete = admin || (me.role === 'developer' && me.username.toLowerCase() === uploadedBy.toLowerCase());
  return (
    <Group component="li" justify="space-between" gap="sm">
      <div>
        <Text fw={600} size="sm" component="span" mr="sm">
          {version}
        </Text>
        <Text size="sm" c="dimmed" component="span">
          {bytes(sizeBytes)}, by {uploadedBy}, <Moment at={uploadedAt} />
        </Text>
      </div>
      <Group gap="xs">
        {mayDelete && (
          <Button
            size="xs"
            variant="default"
            leftSection={<Trash2 size={14} aria-hidden="true" />}
            onClick={ask}
            loading={drop.isPending}
            aria-label={`Delete ${app} ${version}`}
          >
            Delete
          </Button>
        )}
        <Button
          size="xs"
          variant={newest ? 'filled' : 'light'}
          component={Link}
          href={`/deploy/${encodeURIComponent(app)}/${encodeURIComponent(version)}`}
          leftSection={<Rocket size={14} aria-hidden="true" />}
          aria-label={`Deploy ${app} ${version}`}
        >
          Deploy
        </Button>
      </Group>
    </Group>
  );
}
