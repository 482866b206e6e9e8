import { Card, Text } from '@mantine/core';
import type { SensorSlot } from '../../api/types.ts';
import { Section } from '../../components/section.tsx';
import { plural } from '../../lib/format.ts';

/** What the app expects of sensors. */
export function SensorSlots({ slots }: { slots: readonly SensorSlot[] }) {
  return (
    <Section title="Sensors">
      <Card>
        <Text size="sm" c="dimmed" mb="sm">
          The app has places for these. Binding sensors comes with the sensor manager; until then it runs without them.
        </Text>
        <ul className="plain-list">
          {slots.map(({ slot, vertical, sensors, count }) => (
            <li key={slot}>
              <Text size="sm">
                <strong>{slot}</strong>: {plural(count, 'sensor')} of {vertical}, with {sensors.join(', ')}
              </Text>
            </li>
          ))}
        </ul>
      </Card>
    </Section>
  );
}
