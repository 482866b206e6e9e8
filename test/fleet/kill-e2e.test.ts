import { fleetOrSkip } from './fleet.ts';
import { holdOnFleet } from './suites.ts';

const SUITES = ['kill', 'kill-schedules', 'kill-toggle'];

holdOnFleet('the suites that kill the platform on machines of one’s own', SUITES, fleetOrSkip());
