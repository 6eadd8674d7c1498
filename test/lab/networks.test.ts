import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InstalledHost, openInstalledHost } from '../support/installed-host.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

/**
 * What gears reach, tried by real sockets. Beside the host there is a machine that is the internet (203.0.113.1), the company's
 * network (10.99.0.1, fd99::1) and the metadata service of a cloud (169.254.169.254) at once, each at port 7000.
 */

let host: InstalledHost;
let elsewhere: ChildProcess | undefined;
const lab = 'geard-lab-networks';
const beside = (...command: string[]) => ok('ip', 'netns', 'exec', lab, ...command);

const outside = ['203.0.113.1/24', '10.99.0.1/24', '169.254.169.254/32', 'fd99::1/64'];

/** What a boot of the host does not bring back: its second address and its routes. */
async function wire(): Promise<void> {
  await host.ok('ip', 'address', 'replace', 'fd77::1/64', 'dev', 'eth0', 'nodad');
  await host.ok('ip', 'route', 'replace', 'default', 'via', '10.77.0.254');
  await host.ok('ip', '-6', 'route', 'replace', 'default', 'via', 'fd77::fe');
}

/** A unit of the operator's that is no gear, which listens everywhere. */
const service = (command: string) =>
  `[Service]\nExecStart=${command}\nRestart=on-failure\n[Install]\nWantedBy=multi-user.target\n`;

const serve = 'exec /bin/httpd -f -p 8080 -h /www';
const withSecret = ['/bin/sh', '-c', `/bin/busybox httpd -p 7777 -h /www; ${serve}`];

const install = async (r: string, body: object) =>
  expect(await host.change('PUT', 'container', `r=${r}&t=geard%2Fsample`, body), r).toMatchObject({
    state: 'succeeded',
  });

const apiAnswers = () =>
  until(
    'the api answers',
    async () => (await host.try('curl', '-fs', 'http://127.0.0.1:2223/readyz')).status === 0,
  );

/** systemd starts Docker a few times in a row only. */
async function restartDocker(): Promise<void> {
  await host.ok('systemctl', 'reset-failed', 'docker');
  await host.ok('systemctl', 'restart', 'docker');
  await gearsRun();
}

const putInPlace = [
  'cp -a usr/lib usr/sbin usr/share /usr',
  'cp -a lib/. /lib',
  'cp -a etc /',
  'cp usr/bin/firewall-cmd /usr/local/sbin',
  // What the package's script does: who may order it what (polkit(8)).
  'cd /usr/share/polkit-1/actions',
  'ln -s org.fedoraproject.FirewallD1.server.policy.choice org.fedoraproject.FirewallD1.policy',
];

/** Puts firewalld beside what is there; it is unpacked on this machine, because installed it would start on every lab host. */
async function startFirewalld(): Promise<void> {
  const unpacked = join(process.cwd(), 'node_modules', '.cache', 'firewalld');
  await host.ok('sh', '-c', `cd ${unpacked} && ${putInPlace.join(' && ')}`);
  await host.ok('systemctl', 'daemon-reload');
  await host.ok('systemctl', 'reload', 'dbus');
  await host.ok('systemctl', 'try-restart', 'polkit');
  await host.ok('systemctl', 'start', 'firewalld');
  expect(await host.ok('firewall-cmd', '--state')).toBe('running');
}

beforeAll(async () => {
  host = await openInstalledHost('networks');
  await host.ok(`${process.cwd()}/contrib/sample/image`);
  for (const address of outside) await beside('ip', 'address', 'add', address, 'dev', 'br0');
  await beside('ip', 'address', 'add', 'fd77::fe/64', 'dev', 'br0', 'nodad');
  const httpd = ['busybox', 'httpd', '-f', '-p', '7000', '-h', '/usr'];
  elsewhere = spawn('ip', ['netns', 'exec', lab, ...httpd], { stdio: 'ignore' });
  await wire();
  await host.write(
    '/etc/systemd/system/probe-http.service',
    service('/usr/bin/busybox httpd -f -p 7001 -h /usr'),
  );
  await host.write(
    '/etc/systemd/system/probe-redis.service',
    service('/usr/bin/redis-server --port 6379 --bind 0.0.0.0 :: --protected-mode no --save "" --dir /tmp'),
  );
  await host.ok('systemctl', 'enable', '--now', 'probe-http', 'probe-redis');
  expect(await host.install()).toMatchObject({ status: 0 });
  await host.write('/etc/geard/geard.env', 'GEARD_STREAM_LISTEN=10.77.0.1:2300\n');
  expect(await host.install('--start')).toMatchObject({ status: 0 });
  await apiAnswers();
  await install('team-a-web', { ports: [{ internal: 8080, external: 4100 }] });
  await install('team-b-web', { ports: [{ internal: 8080, external: 4200 }], command: withSecret });
  await install('team-b-1', { network: 'team-b', command: withSecret });
  await install('team-b-2', { network: 'team-b', command: withSecret });
});
afterAll(async () => {
  elsewhere?.kill();
  await host.close();
});

type Target = [address: string, port: number];

/** Whether a connection from inside a container is accepted, for every target at once. */
async function reached(container: string, targets: Target[]): Promise<Target[]> {
  const one = ([address, port]: Target) =>
    `{ /bin/busybox timeout 3 /bin/busybox nc -w 2 ${address} ${port} </dev/null >/dev/null 2>&1 && echo ${address} ${port}; } &`;
  const said = await host.ok(
    'docker',
    'exec',
    container,
    '/bin/sh',
    '-c',
    `${targets.map(one).join('\n')}\nwait`,
  );
  const open = new Set(said.split('\n'));
  return targets.filter(([address, port]) => open.has(`${address} ${port}`));
}

const addressOf = (gear: string) =>
  host.ok(
    'docker',
    'inspect',
    '--format',
    '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
    `gear-${gear}`,
  );

/** The address by which its neighbours on a link call it over IPv6 (RFC 4291, appendix A). */
async function linkLocalOf(gear: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}';
  const mac = await host.ok('docker', 'inspect', '--format', format, `gear-${gear}`);
  const [a = 0, b, c, d, e, f] = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  const groups = [
    [a ^ 2, b],
    [c, 0xff],
    [0xfe, d],
    [e, f],
  ];
  const words = groups.map(([high = 0, low = 0]) => (high * 256 + low).toString(16));
  return `fe80::${words.join(':')}%eth0`;
}

/** Every address of the host by which a container could call it. */
async function ofTheHost(): Promise<string[]> {
  const links = JSON.parse(await host.ok('ip', '-json', 'address')) as {
    ifname: string;
    addr_info: { local: string; scope: string }[];
  }[];
  return links
    .filter(({ ifname }) => ifname !== 'lo' && !ifname.startsWith('veth'))
    .flatMap(({ addr_info }) =>
      addr_info.map(({ local, scope }) => (scope === 'link' ? `${local}%eth0` : local)),
    );
}

async function forbidden(except: string): Promise<Target[]> {
  const addresses = await ofTheHost();
  const gears = ['team-a-web', 'team-b-web', 'team-b-1', 'team-b-2'].filter((gear) => gear !== except);
  const theirs = await Promise.all([...gears.map(addressOf), ...gears.map(linkLocalOf)]);
  return [
    ...addresses.flatMap((address) => [7001, 6379, 22].map((port): Target => [address, port])),
    ['10.77.0.1', 2300],
    ...theirs.flatMap((address) => [8080, 7777].map((port): Target => [address, port])),
    ...['169.254.169.254', '10.99.0.1', '10.77.0.254', 'fd99::1', 'fd77::fe'].map(
      (address): Target => [address, 7000],
    ),
  ];
}

const allowed: Target[] = [
  ['203.0.113.1', 7000],
  ['10.77.0.1', 4200],
  ['172.17.0.1', 4200],
  ['10.77.0.1', 4100],
];

async function staysApart(): Promise<number> {
  const targets = await forbidden('team-a-web');
  console.info(`tried from a gear by sockets: ${targets.length}`);
  expect(targets.length).toBeGreaterThan(20);
  expect(await reached('gear-team-a-web', targets)).toEqual([]);
  await until(
    'the internet and published ports are reached',
    async () => (await reached('gear-team-a-web', allowed)).length === allowed.length,
  ).catch(async () => expect(await reached('gear-team-a-web', allowed)).toEqual(allowed));
  return targets.length;
}

const gearsRun = () =>
  until(
    'all gears run',
    async () =>
      (await host.try('docker', 'ps', '--quiet', '--filter', 'name=^gear-')).stdout
        .split('\n')
        .filter(Boolean).length === 4,
    60_000,
  );

test('a container that is no gear reaches all of it by IPv4, so that the attempts are good ones', async () => {
  await host.ok('docker', 'run', '-d', '--name=stranger', 'geard/sample');
  const targets: Target[] = [
    ...['10.77.0.1', '172.17.0.1'].flatMap((address) => [7001, 6379].map((port): Target => [address, port])),
    ['10.77.0.1', 2300],
    ...['169.254.169.254', '10.99.0.1', '203.0.113.1'].map((address): Target => [address, 7000]),
  ];
  expect(await reached('stranger', targets)).toEqual(targets);
  await host.ok('docker', 'rm', '--force', 'stranger');
});

describe('a gear reaches the internet and published ports, and nothing else (security H4)', () => {
  test('as it is installed', async () => {
    await staysApart();
  });

  test('from a common network, too', async () => {
    const targets = (await forbidden('team-b-1')).filter(([address]) => !address.startsWith('team'));
    const neighbour = await addressOf('team-b-2');
    const [reachable, others] = [
      targets.filter(([address]) => address === neighbour),
      targets.filter(([address]) => address !== neighbour),
    ];
    expect(await reached('gear-team-b-1', others)).toEqual([]);
    expect(await reached('gear-team-b-1', reachable)).toEqual(reachable);
  });

  test('after a restart of dockerd', async () => {
    await restartDocker();
    await staysApart();
  });

  test.each([
    ['nft flush ruleset', ['nft', 'flush', 'ruleset']],
    ['a restart of nftables', ['systemctl', 'restart', 'nftables']],
    ['a reload of nftables', ['systemctl', 'reload', 'nftables']],
  ])('after %s', async (_, command) => {
    await host.ok('systemctl', 'start', 'nftables');
    await host.ok(...command);
    await until(
      'the rules are there again',
      async () =>
        (await host.try('nft', 'list', 'chain', 'inet', 'geard', 'to_elsewhere')).stdout.includes(
          '10.0.0.0/8',
        ),
      5_000,
    );
    expect(await reached('gear-team-a-web', await forbidden('team-a-web'))).toEqual([]);
    await restartDocker(); // Its rules are gone as well.
    await staysApart();
  });

  test('while firewalld runs, is reloaded and restarted', async () => {
    await startFirewalld();
    for (const command of [
      ['firewall-cmd', '--reload'],
      ['firewall-cmd', '--complete-reload'],
      ['systemctl', 'restart', 'firewalld'],
    ]) {
      await host.ok(...command);
      expect(await reached('gear-team-a-web', await forbidden('team-a-web')), command.join(' ')).toEqual([]);
    }
    await restartDocker(); // firewalld refuses what Docker has not told it of.
    await staysApart();
    await host.ok('systemctl', 'stop', 'firewalld');
    await restartDocker();
    await staysApart();
  });

  test('after the guard was killed', async () => {
    await host.ok('systemctl', 'kill', '--signal=KILL', '--kill-who=all', 'geard-network');
    expect(await reached('gear-team-a-web', await forbidden('team-a-web'))).toEqual([]);
    await until(
      'the guard is back',
      async () => (await host.try('systemctl', 'is-active', 'geard-network')).status === 0,
    );
    await staysApart();
  });

  test.each([[[]], [['--hard']]])('after a reboot %j, with nothing of ours running', async (how) => {
    await host.try('systemctl', 'disable', '--now', 'geard', 'gear.target');
    await ok('contrib/lab', 'reboot', 'h1', ...how);
    await wire();
    await gearsRun();
    await until(
      'the probes are up',
      async () => (await host.try('curl', '-s', 'http://127.0.0.1:7001/')).status === 0,
    );
    expect((await host.try('pgrep', '-f', 'gear daemon')).status).toBe(1);
    await staysApart();
    await host.ok('systemctl', 'start', 'geard');
    await apiAnswers();
  });
});

test('gears of a common network find each other by their names, and nobody else does', async () => {
  const lookUp = async (from: string, name: string) =>
    (await host.try('docker', 'exec', `gear-${from}`, '/bin/busybox', 'nslookup', name, '127.0.0.11')).stdout;
  // A name that is not found takes five seconds.
  const [second, first, byStranger, ofStranger] = await Promise.all([
    lookUp('team-b-1', 'team-b-2'),
    lookUp('team-b-2', 'team-b-1'),
    lookUp('team-a-web', 'team-b-2'),
    lookUp('team-b-1', 'team-b-web'),
  ]);
  expect(second).toContain(await addressOf('team-b-2'));
  expect(first).toContain(await addressOf('team-b-1'));
  expect(byStranger).not.toContain(await addressOf('team-b-2'));
  expect(ofStranger).not.toContain(await addressOf('team-b-web'));
});

const networks = async () =>
  (await host.ok('docker', 'network', 'ls', '--filter', 'label=geard.network', '--format', '{{.Name}}'))
    .split('\n')
    .filter(Boolean)
    .sort();

test('a network is there as long as a gear uses it', async () => {
  expect(await networks()).toEqual(['gear-team-a-web', 'gear-team-b-web', 'geard-network-team-b']);
  await install('team-b-1', { command: withSecret });
  expect(await networks()).toContain('geard-network-team-b');
  expect(await networks()).toContain('gear-team-b-1');
  await install('team-b-1', { network: 'team-b', command: withSecret });
  expect(await networks()).not.toContain('gear-team-b-1');
  for (const r of ['team-b-1', 'team-b-2'])
    expect(await host.change('DELETE', 'container', `r=${r}`)).toMatchObject({ state: 'succeeded' });
  expect(await networks()).toEqual(['gear-team-a-web', 'gear-team-b-web']);
});

test('an update that does not start leaves the networks as they were', async () => {
  const failed = await host.change('PUT', 'container', 'r=team-a-web&t=geard%2Fsample', {
    network: 'gone',
    command: ['/bin/sh', '-c', 'exit 3'],
  });
  expect(failed).toMatchObject({ code: 'start_failed' });
  expect(await networks()).toEqual(['gear-team-a-web', 'gear-team-b-web']);
  await staysApartWithout();
});

/** The gears of the common network are gone by now. */
async function staysApartWithout(): Promise<void> {
  expect(
    await reached('gear-team-a-web', [
      ['10.77.0.1', 7001],
      ['169.254.169.254', 7000],
    ]),
  ).toEqual([]);
  expect(await reached('gear-team-a-web', allowed.slice(0, 2))).toEqual(allowed.slice(0, 2));
}

test('a network that somebody has removed is drift, is mended, and comes back with a start', async () => {
  await host.change('PUT', 'container/stopped', 'r=team-b-web');
  await host.ok('docker', 'network', 'rm', 'gear-team-b-web');
  expect(JSON.parse(await host.curl('GET', 'drift')).hosts[0].drift).toMatchObject({
    withoutNetwork: ['team-b-web'],
  });
  const [name] = (JSON.parse(await host.curl('GET', 'hosts')).hosts as { name: string }[]).map(
    (one) => one.name,
  );
  expect(await host.change('PUT', 'host/repaired', `h=${name}`)).toMatchObject({
    result: { networks: ['team-b-web'] },
  });
  await host.ok('docker', 'network', 'rm', 'gear-team-b-web');
  expect(await host.change('PUT', 'container/started', 'r=team-b-web')).toMatchObject({ state: 'succeeded' });
});

test('what a crash has left is removed by the next worker, and no network that geard has not made', async () => {
  await host.ok('docker', 'network', 'create', '--label=geard.network=gear-left', 'gear-left');
  await host.ok('docker', 'network', 'create', 'gear-foreign');
  await host.ok('systemctl', 'kill', '--signal=KILL', '--kill-who=all', 'geard');
  await until('the network is gone', async () => !(await networks()).includes('gear-left'));
  expect(await host.ok('docker', 'network', 'ls', '--format', '{{.Name}}')).toContain('gear-foreign');
  await apiAnswers(); // The worker tidies before the api listens.
  const refused = await host.change('PUT', 'container', 'r=foreign&t=geard%2Fsample', {});
  expect(refused).toMatchObject({
    code: 'host_unavailable',
    detail: expect.stringContaining('geard has not made'),
  });
  expect(await host.ok('docker', 'network', 'ls', '--format', '{{.Name}}')).toContain('gear-foreign');
});

test('an operator opens a destination; what he writes wrongly closes all private ones and is told', async () => {
  const settings = await host.ok('cat', '/etc/geard/network.nft');
  const opened = 'ip daddr 10.99.0.1 tcp dport 7000 accept\n';
  await host.write('/etc/geard/network.nft', `${opened}${settings}\n`);
  await host.ok('systemctl', 'reload', 'geard-network');
  const lan: Target[] = [['10.99.0.1', 7000]];
  expect(await reached('gear-team-a-web', lan)).toEqual(lan);
  await host.write('/etc/geard/network.nft', `${opened}nonsense\n`);
  expect((await host.try('systemctl', 'reload', 'geard-network')).status).not.toBe(0);
  expect(await reached('gear-team-a-web', lan)).toEqual([]);
  await staysApartWithout();
  await host.write('/etc/geard/network.nft', `${settings}\n`);
  await host.ok('systemctl', 'reload', 'geard-network');
});

test('a port published at one address is open to gears there; what a service of the host has elsewhere is not', async () => {
  await host.write(
    '/etc/geard/geard.env',
    'GEARD_STREAM_LISTEN=10.77.0.1:2300\nGEARD_PUBLISH_ADDRESS=10.77.0.1\n',
  );
  await host.ok('systemctl', 'restart', 'geard');
  await apiAnswers();
  const probe = '/usr/bin/busybox httpd -f -p 172.17.0.1:4300 -h /usr';
  await host.write('/etc/systemd/system/probe-port.service', service(probe));
  await host.ok('systemctl', 'start', 'probe-port');
  await install('team-b-web', { ports: [{ internal: 8080, external: 4300 }], command: withSecret });
  const there: Target = ['10.77.0.1', 4300];
  const elsewhere = [...new Set(['172.17.0.1', ...(await ofTheHost())])].filter((one) => one !== there[0]);
  const targets = [there, ...elsewhere.map((address): Target => [address, 4300])];
  expect(await reached('gear-team-a-web', targets)).toEqual([there]);
});

test('words of a gear’s own command open no port', async () => {
  const command = ['/bin/sh', '-c', serve, '--publish=7001:7001'];
  await install('team-a-web', { ports: [{ internal: 8080, external: 4101 }], command });
  const targets: Target[] = [
    ['10.77.0.1', 4101],
    ['10.77.0.1', 7001],
    ['172.17.0.1', 7001],
  ];
  expect(await reached('gear-team-a-web', targets)).toEqual(targets.slice(0, 1));
});
