import { Button, Group, Modal, Text } from '@mantine/core';
import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from 'react';

export interface Question {
  title: string;
  text: ReactNode;
  /** What the button says that goes on: the act itself, never "OK". */
  yes: string;
  danger?: boolean;
}

const Ask = createContext<(question: Question) => Promise<boolean>>(async () => false);

/** Asks before something is done that cannot be undone. */
export const useConfirm = (): ((question: Question) => Promise<boolean>) => useContext(Ask);

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question | null>(null);
  const [opened, setOpened] = useState(false);
  const answer = useRef<(yes: boolean) => void>(() => undefined);
  const ask = useCallback((next: Question) => {
    answer.current(false);
    setQuestion(next);
    setOpened(true);
    return new Promise<boolean>((resolve) => {
      answer.current = resolve;
    });
  }, []);
  const close = (yes: boolean): void => {
    // The text stays while the dialog fades away.
    setOpened(false);
    answer.current(yes);
  };
  return (
    <Ask.Provider value={ask}>
      {children}
      <Modal opened={opened} onClose={() => close(false)} title={question?.title}>
        <Text component="div" size="sm">
          {question?.text}
        </Text>
        <Group justify="flex-end" mt="lg">
          <Button variant="default" onClick={() => close(false)} data-autofocus>
            Keep as it is
          </Button>
          <Button color={question?.danger ? 'red' : 'pine'} onClick={() => close(true)}>
            {question?.yes}
          </Button>
        </Group>
      </Modal>
    </Ask.Provider>
  );
}
