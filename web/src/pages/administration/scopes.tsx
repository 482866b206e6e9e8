import { Checkbox, Radio, Stack } from '@mantine/core';
import { SCOPES } from '../../lib/roles.ts';

interface Props {
  /** Null: all that the role may do. */
  value: readonly string[] | null;
  onChange: (value: string[] | null) => void;
  error: string | undefined;
}

/** What a token may be used for. */
export function Scopes({ value, onChange, error }: Props) {
  return (
    <Radio.Group
      label="Good for"
      value={value === null ? 'all' : 'some'}
      onChange={(choice) => onChange(choice === 'all' ? null : [])}
    >
      <Stack gap={6} mt={6}>
        <Radio value="all" label="All that the role may do" />
        <Radio value="some" label="Only some things" />
        {value !== null && (
          <Checkbox.Group aria-label="Scopes" value={[...value]} onChange={onChange} error={error} pl="1.9rem">
            <Stack gap={6} mt={4}>
              {SCOPES.map(({ value: scope, meaning }) => (
                <Checkbox key={scope} value={scope} label={scope} description={meaning} />
              ))}
            </Stack>
          </Checkbox.Group>
        )}
      </Stack>
    </Radio.Group>
  );
}
