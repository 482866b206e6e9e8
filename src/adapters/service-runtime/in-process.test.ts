import { describe, test } from 'node:test';
import { expectContractToFail } from '../../../test/contracts/broken.ts';
import { serviceRuntimeContract } from '../../../test/contracts/service-runtime.contract.ts';
import { inProcessLab } from '../../../test/contracts/service-runtime.lab.ts';
import { createInProcessServices } from './in-process.ts';

describe('platform services in this process', () => {
  serviceRuntimeContract(() => inProcessLab(createInProcessServices));

  test('the contract notices a runtime that takes the dead for alive', () =>
    expectContractToFail(new URL('../../../test/contracts/broken/service-runtime-undead.fixture.ts', import.meta.url), [
      'a service that died is seen to be dead, with a reason, and can be started again',
    ]));
});
