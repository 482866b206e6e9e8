import { Chip, Group, Input, Radio, Select, SimpleGrid, Stack, TextInput } from '@mantine/core';
import { useMemo } from 'react';
import { HERE } from '../../lib/format.ts';
import { type Repeat, WEEKDAYS, type When } from '../../lib/recurrence.ts';
import { Preview } from './preview.tsx';

interface Props {
  when: When;
  errors: Record<string, string>;
  onChange: (part: Partial<When>) => void;
}

const REPEATS: { value: Repeat; label: string }[] = [
  { value: 'none', label: 'Not at all' },
  { value: 'daily', label: 'Every day' },
  { value: 'weekly', label: 'Every week on …' },
  { value: 'custom', label: 'By a rule' },
];

/** When an instance lives: once or again and again, in a zone. */
export function ScheduleFields({ when, errors, onChange }: Props) {
  const zones = useMemo(() => [...new Set([HERE, 'UTC', ...Intl.supportedValuesOf('timeZone')])], []);
  return (
    <Stack gap="lg">
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <TextInput
          type="datetime-local"
          label="Start"
          required
          value={when.start}
          onChange={(event) => onChange({ start: event.currentTarget.value })}
          error={errors.start}
        />
        <TextInput
          type="datetime-local"
          label="End"
          description="Left empty, it runs on"
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          value={when.end}
          min={when.start}
          onChange={(event) => onChange({ end: event.currentTarget.value })}
          error={errors.end}
        />
        <Select
          label="Time zone"
          description={when.timezone === HERE ? 'This browser’s' : undefined}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          searchable
          data={zones}
          limit={80}
          value={when.timezone}
          onChange={(timezone) => onChange({ timezone: timezone ?? HERE })}
          allowDeselect={false}
          error={errors.timezone}
          nothingFoundMessage="No such zone"
        />
      </SimpleGrid>
      <Select
        label="Repeat"
        maw="20rem"
        data={REPEATS}
        allowDeselect={false}
        value={when.repeat}
        onChange={(repeat) => onChange({ repeat: (repeat ?? 'none') as Repeat })}
        error={when.repeat === 'none' || when.repeat === 'daily' ? errors.recurrence : undefined}
      />
      {when.repeat === 'weekly' && (
        <Input.Wrapper label="On" labelElement="div" error={errors.recurrence}>
          <Chip.Group multiple value={when.weekdays} onChange={(weekdays) => onChange({ weekdays })}>
            <Group gap="xs" mt={4} role="group" aria-label="Days of the week">
              {WEEKDAYS.map(({ value, label }) => (
                <Chip key={value} value={value} variant="outline">
                  {label}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
        </Input.Wrapper>
      )}
      {when.repeat === 'custom' && (
        <TextInput
          label="Rule"
          description="A rule of RFC 5545 such as FREQ=MONTHLY;BYDAY=1MO, or cron such as 0 8 * * 1-5"
          className="rule"
          maw="32rem"
          spellCheck={false}
          autoComplete="off"
          value={when.rule}
          onChange={(event) => onChange({ rule: event.currentTarget.value })}
          error={errors.recurrence}
        />
      )}
      {when.repeat !== 'none' && (
        <>
          <TextInput
            type="datetime-local"
            label="Repeat until"
            description="Left empty, without an end"
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            maw="20rem"
            value={when.until}
            min={when.start}
            onChange={(event) => onChange({ until: event.currentTarget.value })}
            error={errors.until}
          />
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Radio.Group
              label="When the one before still runs"
              value={when.overlap}
              onChange={(overlap) => onChange({ overlap: overlap as When['overlap'] })}
              error={errors.overlap}
            >
              <Stack gap={6} mt={6}>
                <Radio value="skip" label="Let it run, skip this time" />
                <Radio value="replace" label="Stop it and start anew" />
              </Stack>
            </Radio.Group>
            <Radio.Group
              label="When a start was missed"
              value={when.missed}
              onChange={(missed) => onChange({ missed: missed as When['missed'] })}
              error={errors.missed}
            >
              <Stack gap={6} mt={6}>
                <Radio value="once" label="Start once when it is back" />
                <Radio value="skip" label="Wait for the next time" />
              </Stack>
            </Radio.Group>
          </SimpleGrid>
        </>
      )}
      <Preview when={when} />
    </Stack>
  );
}
