import { afterAll, beforeAll, expect, test } from 'vitest';
import { bridgeOf } from '../../src/worker/domain/networks.ts';
import { ensureNetwork } from '../../src/worker/gear/networks.ts';
import { type OpenHostServices, openHostServices } from '../support/host-services.ts';
import { ok, run } from '../support/run.ts';

let open: OpenHostServices;
const [network, other] = ['gear-bridged', 'has-its-bridge'];
beforeAll(async () => {
  open = await openHostServices();
});
afterAll(async () => {
  await run('docker', 'network', 'rm', network, other);
  await open.close();
});

test('a gear gets its network also where Docker keeps the name of its interface for another one', async () => {
  const bridge = `com.docker.network.bridge.name=${bridgeOf(network)}`;
  await ok('docker', 'network', 'create', '--subnet', '10.241.0.0/26', '--opt', bridge, other);
  await ensureNetwork(open.services, { network });
  const interfaceOf = '{{index .Options "com.docker.network.bridge.name"}}';
  expect(await ok('docker', 'network', 'inspect', '--format', interfaceOf, network)).toBe(
    bridgeOf(network, 1),
  );
});
