import { Button, Card, Group, NumberInput, SegmentedControl, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { CalendarPlus, Rocket } from 'lucide-react';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { ApiError, post } from '../../api/client.ts';
import { instancesQuery, platformQuery, schedulesQuery } from '../../api/queries.ts';
import type { Accepted, Manifest, Schedule } from '../../api/types.ts';
import { ProblemNotice } from '../../components/problem.tsx';
import { Section } from '../../components/section.tsx';
import { HERE } from '../../lib/format.ts';
import { localTime, type When, whenBody, whenErrors } from '../../lib/recurrence.ts';
import { firstFreeName, initialValues, settingErrors, settingsOf } from '../../lib/settings.ts';
import { useAction } from '../../lib/use-action.ts';
import { ConfigFields } from './config-fields.tsx';
import { ScheduleFields } from './schedule-fields.tsx';
import { SensorSlots } from './sensor-slots.tsx';

const HOUR_MS = 3_600_000;

export function DeployForm({ manifest }: { manifest: Manifest }) {
  const [, navigate] = useLocation();
  const form = useRef<HTMLFormElement>(null);
  const instances = useQuery(instancesQuery);
  const schedules = useQuery(schedulesQuery);
  const platform = useQuery(platformQuery);
  const [name, setName] = useState('');
  const [values, setValues] = useState(() => initialValues(manifest.config));
  const [min, setMin] = useState<number | string>(manifest.scale.min);
  const [max, setMax] = useState<number | string>(manifest.scale.max);
  const [mode, setMode] = useState<'now' | 'schedule'>('now');
  const [when, setWhen] = useState<When>(() => ({
    start: localTime(Date.now() + HOUR_MS / 4, HERE),
    end: '',
    timezone: HERE,
    repeat: 'none',
    weekdays: ['MO', 'TU', 'WE', 'TH', 'FR'],
    rule: '',
    until: '',
    overlap: 'skip',
    missed: 'once',
  }));
  const [errors, setErrors] = useState<Record<string, string>>({});

  const deploy = useAction({
    run: (body: object) => post<Accepted>('/api/deployedApps/deployApp/', body),
    changes: [['instances']],
  });
  const schedule = useAction({
    run: (body: object) => post<Pick<Schedule, 'scheduleId' | 'instanceName'>>('/api/deployedApps/scheduleApp/', body),
    done: ({ instanceName }) => `${instanceName} is scheduled.`,
    changes: [['schedules'], ['instances']],
  });
  const action = mode === 'now' ? deploy : schedule;
  const free = firstFreeName(manifest.name, [
    ...(instances.data ?? []).map(({ instanceName }) => instanceName),
    ...(schedules.data ?? []).map(({ instanceName }) => instanceName),
  ]);
  const stopped = platform.data?.status === 'stopped' || platform.data?.status === 'stopping';

  useEffect(() => {
    // Who listens or types is led to the first field that is wrong.
    if (Object.keys(errors).length > 0) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [errors]);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    deploy.reset();
    schedule.reset();
    const found = {
      ...settingErrors(manifest.config, values),
      ...scaleErrors(min, max),
      ...(mode === 'now' ? {} : whenErrors(when)),
    };
    if (Object.keys(found).length > 0) {
      setErrors(found);
      return;
    }
    setErrors({});
    const body = {
      appName: manifest.name,
      version: manifest.version,
      ...(name.trim() === '' ? {} : { instanceName: name.trim() }),
      config: settingsOf(manifest.config, values),
      scale: { min: Number(min), max: Number(max) },
    };
    try {
      if (mode === 'now') {
        const { instanceName } = await deploy.mutateAsync(body);
        navigate(`/instances/${instanceName}`);
      } else {
        await schedule.mutateAsync({ ...body, ...whenBody(when), overlap: when.overlap, missed: when.missed });
        navigate('/instances?tab=scheduled');
      }
    } catch (error) {
      if (error instanceof ApiError) setErrors(fieldErrors(error));
    }
  }

  return (
    <form ref={form} onSubmit={submit} noValidate>
      <Stack gap="xl" maw="54rem">
        {stopped && (
          <ProblemNotice
            error="Nothing can be deployed or scheduled until an administrator starts it again."
            title="The platform is stopped"
          />
        )}
        <Section title="Name and size">
          <Card>
            <SimpleGrid cols={{ base: 1, sm: 3 }}>
              <TextInput
                label="Instance name"
                description="Left empty, it gets the first free one"
                placeholder={free}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                error={errors.instanceName}
                maxLength={63}
                spellCheck={false}
                autoComplete="off"
              />
              <NumberInput
                label="Replicas at least"
                description="So many always run"
                min={1}
                max={100}
                clampBehavior="none"
                allowDecimal={false}
                value={min}
                onChange={setMin}
                error={errors['scale.min']}
              />
              <NumberInput
                label="Replicas at most"
                description="Scaling goes no further"
                min={1}
                max={100}
                clampBehavior="none"
                allowDecimal={false}
                value={max}
                onChange={setMax}
                error={errors['scale.max']}
              />
            </SimpleGrid>
          </Card>
        </Section>
        <Section title="Settings">
          <Card>
            {manifest.config.length === 0 ? (
              <Text size="sm" c="dimmed">
                This app has no settings.
              </Text>
            ) : (
              <ConfigFields
                entries={manifest.config}
                values={values}
                errors={errors}
                onChange={(key, value) => setValues((before) => ({ ...before, [key]: value }))}
              />
            )}
          </Card>
        </Section>
        {manifest.sensors.length > 0 && <SensorSlots slots={manifest.sensors} />}
        <Section title="When">
          <Card>
            <Stack>
              <SegmentedControl
                aria-label="When to deploy"
                value={mode}
                onChange={(value) => setMode(value as typeof mode)}
                data={[
                  { value: 'now', label: 'Now' },
                  { value: 'schedule', label: 'On a schedule' },
                ]}
                style={{ alignSelf: 'flex-start' }}
              />
              {mode === 'now' ? (
                <Text size="sm" c="dimmed">
                  It is deployed at once and runs until somebody stops it.
                </Text>
              ) : (
                <ScheduleFields
                  when={when}
                  errors={errors}
                  onChange={(part) => setWhen((before) => ({ ...before, ...part }))}
                />
              )}
            </Stack>
          </Card>
        </Section>
        {action.error && (
          <ProblemNotice error={action.error} title={mode === 'now' ? 'It was not deployed' : 'It was not scheduled'} />
        )}
        <Group>
          <Button
            type="submit"
            size="md"
            loading={action.isPending}
            leftSection={
              mode === 'now' ? <Rocket size={18} aria-hidden="true" /> : <CalendarPlus size={18} aria-hidden="true" />
            }
          >
            {mode === 'now' ? 'Deploy' : 'Schedule'}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function scaleErrors(min: number | string, max: number | string): Record<string, string> {
  const whole = (value: number | string): boolean =>
    Number.isInteger(Number(value)) && Number(value) >= 1 && Number(value) <= 100;
  if (!whole(min)) return { 'scale.min': 'Expected a whole number from 1 to 100' };
  if (!whole(max)) return { 'scale.max': 'Expected a whole number from 1 to 100' };
  return Number(min) > Number(max) ? { 'scale.min': 'Expected no more than the most' } : {};
}

/** What the platform refused, by field. */
function fieldErrors(error: ApiError): Record<string, string> {
  const errors = Object.fromEntries(error.fields.map(({ path, message }) => [path, message]));
  if (error.code === 'AVK_NAME_TAKEN' || (error.status === 409 && /name|instance/i.test(error.message))) {
    errors.instanceName ??= error.message;
  }
  return errors;
}
