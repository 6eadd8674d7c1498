import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { gearSpec } from '../../src/jobs/types/container.ts';
import { hostPaths } from '../../src/worker/domain/paths.ts';
import { renderUnit } from '../../src/worker/domain/unit-file.ts';
import type { ContainerEngine, ContainerEvent, ContainerRun } from '../../src/worker/engine/engine.ts';
import { runOfEngine } from '../../src/worker/engine/service.ts';
import type { Systemd } from '../../src/worker/systemd/systemd.ts';
import { run } from './run.ts';
import { plainGear } from './some-gear.ts';
import { until } from './until.ts';

export interface OpenEngine {
  engine: ContainerEngine;
  /** The same engine behind a socket that nobody serves. */
  away: ContainerEngine;
  systemd: Systemd;
  /** An image on the host, with /bin/sh in it. */
  local: string;
  /** Images that a registry has and the host has not, one of them by its digest. */
  remote: string;
  byDigest: string;
  /** An image that its registry does not have, one that may not be pulled, and one that never comes. */
  missing: string;
  forbidden: string;
  endless: string;
  /** A directory of the host, for files. */
  directory: string;
  close(): Promise<void>;
}

/** What geard relies on, of every container engine. Runs on a host with that engine. */
export function describeEngine(name: string, open: () => Promise<OpenEngine>): void {
  describe(`the container engine ${name}`, () => {
    let opened: OpenEngine;
    let engine: ContainerEngine;
    beforeAll(async () => {
      opened = await open();
      engine = opened.engine;
    });
    afterAll(() => opened.close());

    let count = 0;
    /** A container that runs a script of the shell. */
    const shell = (script: string, more: Partial<ContainerRun> = {}): ContainerRun => {
      const gear = `suite-${process.pid}-${count++}`;
      const command = ['/bin/sh', '-c', script];
      return { name: `gear-${gear}`, owner: { gear }, image: opened.local, command, pids: 64, ...more };
    };
    const carryOut = ([program = '', ...words]: string[]) => run(program, ...words);
    /** Runs a container in the background until the test is over; returns when its process runs. */
    const start = async (container: ContainerRun) => {
      const ended = carryOut(engine.runCommand(container));
      onTestFinished(() => engine.removeContainer(container.name));
      const running = async () => {
        const state = await engine.container(container.name);
        return state?.running && state.pid > 0 ? state : null;
      };
      return { ended, state: await until('the container runs', running) };
    };
    const forEver = 'trap "exit 0" TERM; while true; do sleep 0.1; done';

    describe('containers', () => {
      test('run by a command, are seen by name, and are gone when they have ended', async () => {
        const events: ContainerEvent[] = [];
        onTestFinished(engine.onContainerEvent((event) => events.push(event)));
        // The stream of events may still be being opened.
        await until('events are seen', async () => {
          await carryOut(engine.runCommand(shell('exit 0')));
          return events.length > 0;
        });
        expect((await run('mkfifo', join(opened.directory, 'end'))).status).toBe(0);
        const container = shell('read line </host/end; exit 3', {
          volumes: [{ from: opened.directory, path: '/host' }],
        });
        const { ended, state } = await start(container);
        const imageId = (await engine.image(opened.local))?.id;
        expect(state).toMatchObject({ imageId, image: container.image });
        expect(await engine.containersNamed(container.name)).toEqual([
          { name: container.name, gear: container.name.replace('gear-', '') },
        ]);
        await writeFile(join(opened.directory, 'end'), 'now\n');
        expect((await ended).status).toBe(3);
        expect(await engine.container(container.name)).toBeNull();
        const ofIt = () => events.filter((event) => event.id === state.id);
        await until('its end is told', () => ofIt().some(({ action }) => action === 'destroy'));
        expect(ofIt().map(({ action }) => action)).toEqual(['start', 'die', 'destroy']);
        expect(new Set(ofIt().map((event) => event.name))).toEqual(new Set([container.name]));
      });

      test('have what their description says, and nothing else of the host', async () => {
        const [one, two] = ['one.env', 'two.env'].map((file) => join(opened.directory, file));
        await writeFile(String(one), 'A=first\nB=as it is: "$x" \n');
        await writeFile(String(two), 'A=second\n');
        const container = shell(
          'id -u; id -g; pwd; echo "$A|$B|$C"; cat /etc/hosts; ls /host; ' +
            '(echo a >/no) 2>/dev/null || echo read-only; echo a >/tmp/yes && echo tmp',
          {
            user: { uid: 4711, gid: 4712 },
            directory: '/host',
            volumes: [{ from: opened.directory, path: '/host' }],
            envFiles: [String(one), String(two)],
            env: ['C=c'],
            hosts: [['git.example', '192.0.2.7']],
            readOnlyExceptTmp: '1m',
            memory: 64 * 1024 * 1024,
            swap: false,
            cpus: 0.5,
            fileBytes: 1024 * 1024,
            network: 'bridge',
          },
        );
        const { stdout, status, stderr } = await carryOut(engine.runCommand(container));
        expect(status, stderr).toBe(0);
        const lines = stdout.split('\n');
        expect(lines.slice(0, 4)).toEqual(['4711', '4712', '/host', 'second|as it is: "$x" |c']);
        expect(stdout).toMatch(/^192\.0\.2\.7\s+git\.example$/m);
        expect(lines).toEqual(expect.arrayContaining(['read-only', 'tmp', 'one.env', 'two.env']));
      });

      test('have no network where they are to have none, and the program that is named', async () => {
        const container = { ...shell(''), entrypoint: '/bin/cat', command: ['/proc/net/dev'] };
        const { stdout } = await carryOut(engine.runCommand({ ...container, network: 'none' }));
        expect(stdout).toContain('lo:');
        expect(stdout).not.toContain('eth0');
      });

      test('are stopped by SIGTERM, and by SIGKILL when they do not heed it', async () => {
        const polite = shell('trap "exit 7" TERM; while true; do sleep 0.1; done');
        const stubborn = shell('trap "" TERM; while true; do sleep 0.1; done');
        const [one, other] = [await start(polite), await start(stubborn)];
        for (const { name } of [polite, stubborn])
          expect((await carryOut(engine.stopCommand(name, 2))).status).toBe(0);
        expect([(await one.ended).status, (await other.ended).status]).toEqual([7, 137]);
      });

      test('are removed while they run, by several at once, and again when they are gone', async () => {
        const container = shell(forEver);
        await start(container);
        const { name } = container;
        await Promise.all([1, 2, 3].map(() => engine.removeContainer(name)));
        expect(await engine.container(name)).toBeNull();
        await engine.removeContainer(name);
        const again = shell(forEver);
        await start(again);
        expect((await carryOut(engine.removeCommand(again.name))).status).toBe(0);
        expect(await engine.container(again.name)).toBeNull();
      });

      test('are heard on stderr, whole and nothing of stdout', async () => {
        // It does not say when it listens: what comes before that is not heard.
        const untilHeard = 'until [ -e /host/go ]; do echo . >&2; sleep 0.1; done';
        const container = shell(`${untilHeard}; echo out; echo "märz" >&2; cat /host/go >&2`, {
          volumes: [{ from: opened.directory, path: '/host' }],
        });
        await start(container);
        let heard = '';
        const following = engine.followErrors(
          container.name,
          (text) => {
            heard += text;
          },
          AbortSignal.timeout(20_000),
        );
        await until('it listens', () => heard.includes('.\n'));
        await writeFile(join(opened.directory, 'line'), `${'x'.repeat(200)}\n`);
        await rename(join(opened.directory, 'line'), join(opened.directory, 'go'));
        await following;
        expect(heard.replace(/^(?:\.\n)+/, '')).toBe(`märz\n${'x'.repeat(200)}\n`);
      });
    });

    describe('an end', () => {
      const ended = async (container: ContainerRun) => {
        const { status, stderr } = await carryOut(engine.runCommand(container));
        return { status, why: engine.explainExit(status, stderr.split('\n')) };
      };

      test('of the process itself is not explained', async () => {
        expect(await ended(shell('exit 42'))).toEqual({ status: 42, why: null });
      });

      test('of a command that is not there, or is no program, is a sentence', async () => {
        for (const command of [['/no/such'], ['/etc']]) {
          const { status, why } = await ended({ ...shell(''), command });
          expect(why).toMatch(new RegExp(`^the command .*\\(exit status ${status}\\)$`));
        }
      });

      test('where the image is not there is a sentence, and nothing is pulled', async () => {
        const { why } = await ended({ ...shell(''), image: opened.remote });
        expect(why).toContain(`${engine.name} could not create the container`);
        expect(await engine.image(opened.remote)).toBeNull();
      });

      test('by a port that another has, and by a name that is taken, is told apart from them', async () => {
        const ports = [{ address: '127.0.0.1', external: 18_888, internal: 80 }];
        const first = shell(forEver, { ports });
        await start(first);
        expect((await ended(shell('', { ports }))).why).toMatchObject({ code: 'port_taken' });
        const { why } = await ended({ ...first, ports: [] });
        expect(why).toMatchObject({ code: 'host_unavailable', transient: true });
      });
    });

    describe('images', () => {
      const pull = (reference: string, signal = new AbortController().signal) => {
        const seen: number[] = [];
        return engine.pull(reference, ({ percent }) => seen.push(percent), signal).then(() => seen);
      };

      test('are found by their name and not by their id', async () => {
        const found = await engine.image(opened.local);
        const id = found?.id.replace(/^sha256:/, '') ?? '';
        expect(found).toMatchObject({ madeFrom: null });
        for (const other of [id, id.slice(0, 12), `${opened.local}-none`, opened.missing])
          expect(await engine.image(other), other).toBeNull();
      });

      test('are pulled by name, and progress does not fall', async () => {
        expect(await engine.image(opened.remote)).toBeNull();
        const seen = await pull(opened.remote);
        expect(seen).toEqual([...seen].sort((a, b) => a - b));
        expect(await engine.image(opened.remote)).not.toBeNull();
        await pull(opened.remote);
      });

      test('are pulled by digest', async () => {
        await pull(opened.byDigest);
        expect((await engine.image(opened.byDigest))?.id).toBe((await engine.image(opened.remote))?.id);
        const other = opened.byDigest.replace(/[0-9a-f]{64}$/, 'a'.repeat(64));
        expect(await engine.image(other)).toBeNull();
      });

      test('that cannot be pulled are told apart', async () => {
        await expect(pull(opened.missing)).rejects.toMatchObject({ code: 'image_not_found' });
        const forbidden = { code: 'registry_failed', transient: false };
        await expect(pull(opened.forbidden)).rejects.toMatchObject(forbidden);
        const nobody = pull('127.0.0.1:1/team/nothing:1');
        await expect(nobody).rejects.toMatchObject({ code: 'registry_failed', transient: true });
      });

      test('are no longer waited for once a pull is aborted', async () => {
        const abort = new AbortController();
        const pulled = pull(opened.endless, abort.signal);
        const reason = new Error('no longer wanted');
        setTimeout(() => abort.abort(reason), 200);
        await expect(pulled).rejects.toBe(reason);
        expect(await engine.image(opened.endless)).toBeNull();
      });

      test('carry an environment, byte for byte, and are removed but for one', async () => {
        const gear = `suite-${process.pid}`;
        const base = await engine.image(opened.local);
        const from = base?.id ?? '';
        const images = ['a', 'b'].map((tag) => `geard.invalid/environment:gear-${gear}.${tag.repeat(32)}`);
        const [kept = '', other = ''] = images;
        const env = ['A=line\nand \'line\' "$A"\r', 'B='];
        for (const image of images) await engine.makeImage({ image, from, env, gear });
        expect(await engine.image(kept)).toMatchObject({
          madeFrom: from,
          env: [
            { name: 'A', value: 'line\nand \'line\' "$A"\r' },
            { name: 'B', value: '' },
          ],
        });
        const container = { ...shell('printf %s "$A"'), image: kept };
        const { stdout } = await carryOut(engine.runCommand(container));
        expect(stdout).toBe('line\nand \'line\' "$A"\r');
        for (let times = 0; times < 2; times++) await engine.removeImages(gear, kept);
        expect(await engine.image(kept)).not.toBeNull();
        expect(await engine.image(other)).toBeNull();
        await engine.removeImages(gear, null);
        expect(await engine.image(kept)).toBeNull();
        expect(await engine.image(opened.local)).toEqual(base);
      });

      test('that a container uses stay', async () => {
        const gear = `suite-${process.pid}-used`;
        const image = `geard.invalid/environment:gear-${gear}.${'c'.repeat(32)}`;
        const from = (await engine.image(opened.local))?.id ?? '';
        await engine.makeImage({ image, from, env: [], gear });
        const container = { ...shell(forEver), image };
        await start(container);
        await engine.removeImages(gear, null);
        expect(await engine.image(image)).not.toBeNull();
        await engine.removeContainer(container.name);
        await engine.removeImages(gear, null);
        expect(await engine.image(image)).toBeNull();
      });
    });

    describe('networks', () => {
      const name = `gear-suite-${process.pid}`;
      const wanted = { name, bridge: 'gear-suite', subnet: '10.251.7.0/26' };
      const ours = async () => (await engine.networks()).filter((network) => network.name === name);

      test('made twice are one, and are removed when no container uses them', async () => {
        onTestFinished(() => engine.removeNetwork(name));
        expect(await engine.createNetwork(wanted)).toBe(true);
        expect(await engine.createNetwork({ ...wanted, subnet: '10.251.8.0/26' })).toBe(false);
        const again = { ...wanted, subnet: '10.251.8.0/26', bridge: 'gear-suite3' };
        expect(await engine.createNetwork(again)).toBe(false);
        expect(await ours()).toEqual([{ name, subnets: [wanted.subnet], ours: true }]);
        const taken = { ...wanted, name: `${name}-other`, bridge: 'gear-suite2' };
        expect(await engine.createNetwork(taken)).toBe(false);

        const one = shell(forEver, { network: name, alias: 'one' });
        const other = shell('/bin/busybox nslookup one', { network: name });
        await start(one);
        expect((await carryOut(engine.runCommand(other))).stdout).toMatch(/10\.251\.7\.\d+/);
        await engine.removeNetwork(name);
        expect(await ours()).toHaveLength(1);
        await engine.removeContainer(one.name);
        for (let times = 0; times < 2; times++) await engine.removeNetwork(name);
        expect(await ours()).toEqual([]);
      });

      test('of others are told from ours and stay', async () => {
        const [theirs] = (await engine.networks()).filter((network) => !network.ours);
        await engine.removeNetwork(String(theirs?.name));
        expect(await engine.networks()).toContainEqual(theirs);
      });
    });

    test('a volume is made by the first container that names it, keeps what it holds, and is removed once', async () => {
      const volume = `gear-suite-${process.pid}..data`;
      const volumes = [{ from: volume, path: '/data' }];
      expect(await engine.hasVolume(volume)).toBe(false);
      await carryOut(engine.runCommand(shell('echo kept >/data/file', { volumes })));
      expect(await engine.hasVolume(volume)).toBe(true);
      const reader = shell(`cat /data/file; ${forEver}`, { volumes });
      await start(reader);
      await engine.removeVolume(volume);
      expect(await engine.hasVolume(volume)).toBe(true);
      await engine.removeContainer(reader.name);
      for (let times = 0; times < 2; times++) await engine.removeVolume(volume);
      expect(await engine.hasVolume(volume)).toBe(false);
    });

    describe('under systemd', () => {
      test('a gear is run, stopped and forgotten by its unit', async () => {
        const { systemd, directory, local } = opened;
        const paths = hostPaths(directory);
        const resource = `suite-${process.pid}-unit`;
        const [unit, path] = [paths.unitName(resource), paths.unit(resource)];
        const spec = gearSpec.parse({ image: local, command: shell(forEver).command });
        await mkdir(paths.units, { recursive: true });
        await writeFile(path, renderUnit({ ...plainGear(resource), spec }, { paths, engine }));
        await systemd.link(path, true);
        onTestFinished(async () => {
          await systemd.unlink(unit);
          await systemd.settle();
        });
        await systemd.settle();
        expect([await systemd.isEnabled(unit), (await systemd.enabled()).has(unit)]).toEqual([true, true]);
        const { links, wanted, halfWanted } = await systemd.links();
        expect([links.get(unit), wanted.has(unit), halfWanted.has(unit)]).toEqual([path, true, false]);
        expect(await systemd.start(unit)).toBe('done');
        await until('the container runs', async () => (await engine.container(`gear-${resource}`))?.running);
        const up = {
          load: 'loaded',
          active: 'active',
          sub: 'running',
          needsReload: false,
          result: 'success',
        };
        expect(await systemd.state(unit)).toMatchObject({ ...up, description: `Gear ${resource}` });
        const { invocation, ...activity } = await systemd.activity(unit);
        expect(activity).toEqual({ active: 'active', sub: 'running', pending: false });
        expect(invocation).toMatch(/^[0-9a-f]{32}$/);
        expect(await systemd.fragment(unit)).toContain(unit);

        await systemd.disable(unit);
        expect(await systemd.isEnabled(unit)).toBe(false);
        expect(await systemd.stop(unit)).toBe('done');
        expect(await systemd.activity(unit)).toMatchObject({ active: 'inactive', pending: false });
        expect(await engine.container(`gear-${resource}`)).toBeNull();
      });

      test('a container is run once by a transient unit, which has its exit status', async () => {
        const { systemd } = opened;
        const container = shell('exit 9');
        const unit = `job-suite-${process.pid}.service`;
        await systemd.runOnce(unit, {
          description: 'the suite',
          slice: 'gear-small.slice',
          command: engine.runCommand(container),
          afterwards: engine.removeCommand(container.name),
          seconds: 20,
        });
        await until('it has ended', async () => (await systemd.activity(unit)).active === 'failed');
        expect(await systemd.state(unit)).toMatchObject({ mainStatus: 9, result: 'exit-code' });
        expect(await engine.container(container.name)).toBeNull();
        await systemd.resetFailed(unit);
      });

      test('the engine’s daemon has one run as long as nobody restarts it', async () => {
        const before = await runOfEngine(opened);
        expect(before).toMatch(/^[0-9a-f]{32}$/);
        expect(await runOfEngine(opened)).toBe(before);
      });
    });

    test('its daemon is a unit that runs, and its client finds it', async () => {
      expect((await run('systemctl', 'is-active', engine.service)).stdout.trim()).toBe('active');
      const client = engine.runCommand(shell(''))[0] ?? '';
      const env = Object.entries(engine.clientEnv).map(([key, value]) => `${key}=${value}`);
      expect((await run('env', '-i', ...env, client, 'version')).status).toBe(0);
    });

    test('it says its version, that it is new enough, and where its files are', async () => {
      const { version, isNewEnough, root } = await engine.about();
      expect(version).toMatch(/^\d+\./);
      expect(isNewEnough).toBe(true);
      expect(root).toMatch(/^\//);
    });

    test('an engine that is away is a fault that passes, whatever it is asked', async () => {
      const { away, local } = opened;
      const signal = new AbortController().signal;
      const asked = [
        away.container('a'),
        away.containersNamed('a'),
        away.removeContainer('a'),
        away.image(local),
        away.pull(local, () => undefined, signal),
        away.makeImage({ image: 'geard.invalid/a:b', from: local, env: [], gear: 'a' }),
        away.removeImages('a', null),
        away.networks(),
        away.createNetwork({ name: 'a', bridge: 'a', subnet: '10.251.9.0/26' }),
        away.removeNetwork('a'),
        away.hasVolume('a'),
        away.removeVolume('a'),
        away.about(),
      ];
      for (const one of await Promise.allSettled(asked))
        expect(one).toMatchObject({ reason: { code: 'host_unavailable', transient: true } });
    });
  });
}
