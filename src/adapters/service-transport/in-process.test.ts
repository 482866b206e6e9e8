import { test } from 'node:test';
import { inProcessLab } from '../../../test/contracts/broken/service-transport-lab.ts';
import { expectContractToFail } from '../../../test/contracts/broken.ts';
import { serviceTransportContract } from '../../../test/contracts/service-transport.contract.ts';

serviceTransportContract('in process', { create: () => inProcessLab() });

test('the contract notices lines that come late and do not end', () =>
  expectContractToFail(new URL('../../../test/contracts/broken/service-transport-deaf.fixture.ts', import.meta.url), [
    'ends the lines when the caller has enough, and tells the service',
    'gives lines as they come, whole, whatever pieces they came in',
  ]));
