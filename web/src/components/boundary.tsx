import { Button } from '@mantine/core';
import { Component, type ReactNode } from 'react';
import { ProblemNotice } from './problem.tsx';

/** A mistake in one page leaves the rest standing; a page whose file is gone after an upgrade is loaded anew. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown; at: string }> {
  override state = { error: null as unknown, at: '' };

  static getDerivedStateFromError(error: unknown) {
    return { error, at: location.pathname };
  }

  override componentDidUpdate(): void {
    if (this.state.error !== null && this.state.at !== location.pathname) this.setState({ error: null });
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <>
        <ProblemNotice error={this.state.error} title="This page could not be shown" />
        <Button mt="md" variant="default" onClick={() => location.reload()}>
          Load it again
        </Button>
      </>
    );
  }
}
