import { fleetOrSkip } from './fleet.ts';
import { holdOnFleet } from './suites.ts';

/** All that deploy apps; those in the browser and those that kill the platform have files of their own. */
const SUITES = [
  'apps',
  'backup',
  'cancel',
  'cli',
  'cli-users',
  'crowd',
  'drain',
  'examples',
  'http-audit',
  'http-documents',
  'http-history',
  'http-instances',
  'http-metrics',
  'http-registration',
  'http-scaling',
  'http-services',
  'http-session',
  'http-strangers',
  'http-tokens',
  'http-users',
  'nodes',
  'platform',
  'rollout',
  'runtimes',
  'schedules',
  'secrets',
  'toggle',
  'traffic',
  'uploads',
  'versions',
];

holdOnFleet('the suites of the embedded platform on machines of one’s own', SUITES, fleetOrSkip());
