import { Button, type ButtonProps, Tooltip } from '@mantine/core';

interface Props extends ButtonProps {
  /** Why it cannot be pressed; it stays reachable, so that everybody can find out. */
  why?: string | null;
  onClick: () => void;
}

export function ActButton({ why = null, onClick, children, ...rest }: Props) {
  if (why === null) {
    return (
      <Button variant="default" onClick={onClick} {...rest}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip label={why} multiline maw="18rem">
      <Button
        variant="default"
        data-disabled
        aria-disabled="true"
        onClick={(event) => event.preventDefault()}
        {...rest}
      >
        {children}
        <span className="for-listeners">, not possible: {why}</span>
      </Button>
    </Tooltip>
  );
}
