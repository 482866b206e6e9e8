import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listeningPorts } from './listening.ts';

test('ports that something listens on are read, those of connections are not', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21040 1 0000000000000000 100 0 0 10 0
   1: 0B014D0A:0016 01014D0A:C8F2 01 00000000:00000000 02:000AC9E1 00000000     0        0 30177 4 0000000000000000 20 4 31 10 -1
  11: 00000000:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21040 1 0000000000000000 100 0 0 10 0
   0: 00000000000000000000000000000000:4E21 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1
   1: 00000000000000000000000001000000:0016 00000000000000000000000001000000:4E22 06 00000000:00000000 00:00000000 00000000     0        0 9 1
`;
  assert.deepEqual([...listeningPorts(text)], [8080, 20_000, 20_001]);
  assert.deepEqual([...listeningPorts('')], []);
});
