import { NumberInput, PasswordInput, Select, Stack, Switch, TextInput } from '@mantine/core';
import { asSentence } from '../../api/client.ts';
import type { ConfigEntry } from '../../api/types.ts';
import type { FieldValue, FieldValues } from '../../lib/settings.ts';

interface Props {
  entries: readonly ConfigEntry[];
  values: FieldValues;
  /** By `config.KEY`. */
  errors: Record<string, string>;
  onChange: (key: string, value: FieldValue) => void;
}

/** One field for each of the app's settings, after its type. */
export function ConfigFields({ entries, values, errors, onChange }: Props) {
  return (
    <Stack gap="lg">
      {entries.map((entry) => (
        <Field
          key={entry.key}
          entry={entry}
          value={values[entry.key]}
          error={errors[`config.${entry.key}`]}
          onChange={(value) => onChange(entry.key, value)}
        />
      ))}
    </Stack>
  );
}

interface FieldProps {
  entry: ConfigEntry;
  value: FieldValue;
  error: string | undefined;
  onChange: (value: FieldValue) => void;
}

function Field({ entry, value, error, onChange }: FieldProps) {
  const common = {
    label: entry.title ?? entry.key,
    description: describe(entry),
    required: entry.required,
    error,
    maw: '32rem',
    name: entry.key,
  };
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  if (entry.secret) {
    return (
      <PasswordInput
        {...common}
        autoComplete="new-password"
        value={text}
        onChange={(event) => onChange(event.currentTarget.value)}
        placeholder={entry.default === undefined ? undefined : 'Left empty, the app’s default'}
        visibilityToggleButtonProps={{ 'aria-label': `Show ${common.label}`, tabIndex: 0 }}
      />
    );
  }
  switch (entry.type) {
    case 'number':
      return (
        <NumberInput
          {...common}
          min={entry.min}
          max={entry.max}
          // The field says what is wrong with a number; it does not change it behind one's back.
          clampBehavior="none"
          value={typeof value === 'boolean' ? '' : (value ?? '')}
          onChange={(next) => onChange(next)}
        />
      );
    case 'boolean':
      if (entry.default === undefined && !entry.required) {
        return (
          <Select
            {...common}
            data={[
              { value: 'true', label: 'Yes' },
              { value: 'false', label: 'No' },
            ]}
            value={value === undefined ? null : String(value)}
            onChange={(next) => onChange(next === null ? undefined : next === 'true')}
            placeholder="Not set"
            clearable
            clearButtonProps={{ 'aria-label': `Clear ${common.label}` }}
          />
        );
      }
      return (
        <Switch
          label={common.label}
          description={common.description}
          error={error}
          name={entry.key}
          checked={value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case 'enum':
      return (
        <Select
          {...common}
          data={entry.values ?? []}
          value={text === '' ? null : text}
          onChange={(next) => onChange(next ?? undefined)}
          placeholder="Choose"
          searchable={(entry.values?.length ?? 0) > 8}
          clearable={!entry.required}
          clearButtonProps={{ 'aria-label': `Clear ${common.label}` }}
        />
      );
    case 'string':
      return (
        <TextInput
          {...common}
          autoComplete="off"
          value={text}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
  }
}

function describe({ description, type, min, max, default: byDefault, secret }: ConfigEntry): string | undefined {
  const limits =
    type !== 'number'
      ? ''
      : min !== undefined && max !== undefined
        ? `From ${min} to ${max}.`
        : min !== undefined
          ? `At least ${min}.`
          : max !== undefined
            ? `At most ${max}.`
            : '';
  const preset = byDefault === undefined || secret || type === 'boolean' ? '' : `Default: ${byDefault}.`;
  const text = [description && asSentence(description), limits, preset].filter(Boolean).join(' ');
  return text === '' ? undefined : text;
}
