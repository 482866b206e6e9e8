import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';

interface Props {
  opened: boolean;
  onClose: () => void;
  title: ReactNode;
  /** False where a stray click would lose what is shown only once. */
  closeOnClickOutside?: boolean;
  children: ReactNode;
}

/** A dialog as all of ours are. Its head is no banner of the page: there is one already. */
export function Dialog({ opened, onClose, title, closeOnClickOutside = true, children }: Props) {
  return (
    <Modal.Root opened={opened} onClose={onClose} closeOnClickOutside={closeOnClickOutside} centered>
      <Modal.Overlay />
      <Modal.Content radius="lg">
        <Modal.Header role="none">
          <Modal.Title>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" />
        </Modal.Header>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
