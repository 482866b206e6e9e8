import { builtInLab } from '../../../../test/contracts/broken/reverse-proxy-lab.ts';
import { sessionCookieContract } from '../../../../test/contracts/reverse-proxy.cookies.ts';

sessionCookieContract('built in', { create: () => builtInLab() });
