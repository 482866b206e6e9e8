import { NO_BROWSER } from '../support/browser.ts';
import { fleetOrSkip } from './fleet.ts';
import { holdOnFleet } from './suites.ts';

const SUITES = ['browser-developer', 'browser-failures', 'browser-live', 'browser-operator', 'browser-pages'];

holdOnFleet('the suites in the browser on machines of one’s own', SUITES, { skip: fleetOrSkip().skip || NO_BROWSER });
