import { expect, test } from 'vitest';
import { parseAllowance } from '../../../../src/worker/domain/addresses.ts';
import { assertRegistryAllowed, registryOf } from '../../../../src/worker/image/registry-address.ts';

test.each([
  ['nginx', null],
  ['nginx:1.27', null],
  ['library/nginx', null],
  ['geard/sample:1', null],
  ['registry.example/a', 'registry.example'],
  ['registry.example:5000/team/a:1', 'registry.example'],
  ['registry:5000/a', 'registry'],
  ['localhost/a', 'localhost'],
  ['Registry/a', 'registry'],
  ['127.0.0.1:5000/a@sha256:0', '127.0.0.1'],
])('the registry of %s is %s', (reference, registry) => {
  expect(registryOf(reference)).toBe(registry);
});

test.each([
  '127.0.0.1:9913/latest/meta-data',
  '169.254.169.254/latest/meta-data',
  '10.0.0.1/a',
  'localhost/a',
  'LOCALHOST:5000/a',
  '0177.0.0.1/a',
  '2130706433:80/a',
  '0x7f.1/a',
])('%s is not pulled where nothing is allowed, nor where another network is', async (reference) => {
  for (const allowed of [[], ['192.168.0.0/16', 'registry.local']]) {
    const pulled = assertRegistryAllowed(reference, parseAllowance(allowed));
    await expect(pulled).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(pulled).rejects.toThrow('--registry-allow');
  }
});

test.each([
  ['127.0.0.1:5000/a', '127.0.0.1'],
  ['localhost:5000/a', '127.0.0.0/8,::1'],
  ['localhost:5000/a', 'localhost'],
  ['nowhere.invalid/a', 'nowhere.invalid'],
  ['1.1.1.1/a', ''],
  ['team/a', ''],
])('%s is pulled where %j is allowed', async (reference, allowed) => {
  await assertRegistryAllowed(reference, parseAllowance(allowed.split(',')));
});

test('a registry whose name has no address fails as one that gives no image does', async () => {
  const pulled = assertRegistryAllowed('nowhere.invalid/a', parseAllowance([]));
  await expect(pulled).rejects.toMatchObject({ code: 'registry_failed', transient: true });
  await expect(pulled).rejects.toThrow(
    'the registry of nowhere.invalid/a could not be reached or gave no image',
  );
});
