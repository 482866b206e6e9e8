// The command line's clock and chance: of the platform's own make, like everybody's.
export { systemClock as clock } from '../adapters/clock/system.ts';
export { systemRandom as random } from '../adapters/random/system.ts';
