import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { listenToFailpoints } from '../../src/lib/effect.ts';
import { bridgeOf } from '../../src/worker/domain/paths.ts';
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

test('a network that Docker still makes for a call whose answer was lost is made once', async () => {
  const name = 'gear-late';
  onTestFinished(async () => {
    listenToFailpoints(null);
    // By id: a name that two networks have is none.
    const ids = await ok('docker', 'network', 'ls', '--quiet', '--filter', `label=geard.network=${name}`);
    if (ids !== '') await ok('docker', 'network', 'rm', ...ids.split('\n'));
  });
  const options = [
    ...['--label', `geard.network=${name}`, '--subnet', '10.241.1.0/26'],
    ...['--opt', `com.docker.network.bridge.name=${bridgeOf(name)}`],
  ];
  let made = false;
  listenToFailpoints(async (point) => {
    if (point !== 'docker.createNetwork:before' || made) return;
    made = true;
    await ok('docker', 'network', 'create', ...options, name);
  });
  await ensureNetwork(open.services, { network: name });
  const there = (await open.services.engine.networks()).filter((one) => one.name === name);
  expect(there).toEqual([{ name, subnets: ['10.241.1.0/26'], ours: true }]);
});
