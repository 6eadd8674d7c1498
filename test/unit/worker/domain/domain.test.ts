import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gearSpec } from '../../../../src/jobs/types/container.ts';
import { parseEnvFile, renderEnvFile } from '../../../../src/worker/domain/env-file.ts';
import { choosePorts } from '../../../../src/worker/domain/ports.ts';
import { parseUnit, renderUnit } from '../../../../src/worker/domain/unit-file.ts';
import { someGear, unitHost } from '../../../support/some-gear.ts';

const host = unitHost();

describe('the unit file', () => {
  test('reads back as the gear it was written from, values of variables left out', () => {
    fc.assert(
      fc.property(someGear, (gear) => {
        const env = gear.spec.env.map(({ name }) => ({ name, value: '' }));
        expect(parseUnit(renderUnit(gear, host))).toEqual({ ...gear, spec: { ...gear.spec, env } });
      }),
    );
  });

  test('has the same text in whatever order the fields of a spec were given', () => {
    fc.assert(
      fc.property(someGear, (gear) => {
        const spec = Object.fromEntries(Object.entries(gear.spec).reverse()) as typeof gear.spec;
        expect(renderUnit({ ...gear, spec }, host)).toBe(renderUnit(gear, host));
      }),
    );
  });

  test('holds no value of a variable', () => {
    const spec = gearSpec.parse({ image: 'a', env: [{ name: 'SECRET', value: 'hunter2-hunter2' }] });
    const text = renderUnit(
      {
        ...{ resource: 'a', spec, ports: [], envTag: 'f'.repeat(32), imageTag: null },
        ...{ pids: 64, logLines: 10_000, addresses: [], network: null },
      },
      host,
    );
    const encoded = Buffer.from(/^Spec=(.*)$/m.exec(text)?.[1] ?? '', 'base64url').toString();
    expect(encoded).toContain('SECRET');
    expect(text + encoded).not.toContain('hunter2');
  });

  test('has a gear that fails at once started again for ever, and not so often that the host is busy with it', () => {
    const spec = gearSpec.parse({ image: 'a' });
    const lines = renderUnit(
      {
        ...{ resource: 'a', spec, ports: [], envTag: null, imageTag: null },
        ...{ pids: 64, logLines: 10_000, addresses: [], network: null },
      },
      host,
    ).split('\n');
    expect(lines).toEqual(expect.arrayContaining(['Restart=on-failure', 'StartLimitIntervalSec=0']));
    const [pause] = lines.flatMap((line) => /^RestartSec=(\d+)$/.exec(line)?.[1] ?? []);
    expect(Number(pause)).toBeGreaterThanOrEqual(5);
  });

  test('gives a gear neither the choice of a priority for its lines, nor checks that run outside its cgroup', () => {
    fc.assert(
      fc.property(someGear, (gear) => {
        const text = renderUnit(gear, host);
        expect(text).toContain('\nSyslogLevelPrefix=false\n');
        expect(/^ExecStart=.*$/m.exec(text)?.[0]).toContain(' --no-healthcheck ');
      }),
    );
  });

  test('keeps every line its own, whatever words a command has', () => {
    fc.assert(
      fc.property(someGear, (gear) => {
        const lines = renderUnit(gear, host).split('\n');
        expect(lines.filter((line) => line.startsWith('ExecStart='))).toHaveLength(1);
        expect(lines.every((line) => /^$|^#|^\[[A-Za-z-]+\]$|^[A-Za-z]+=/.test(line))).toBe(true);
      }),
    );
  });

  test('of somebody else is not taken for ours', () => {
    for (const text of [
      '',
      '[Service]\nExecStart=/bin/true\n',
      '\n[X-Gear]\nResource=../a\nSpec=e30\n',
      '\n[X-Gear]\nResource=a\nSpec=e30\n',
    ]) {
      expect(parseUnit(text)).toBeNull();
    }
  });
});

test('an environment file gives back every value as it was', () => {
  const variable = fc.record({
    name: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/),
    value: fc.string({ unit: 'binary' }).filter((text) => !/[\0\r\n]/.test(text)),
  });
  fc.assert(
    fc.property(fc.array(variable), (env) => {
      expect(parseEnvFile(renderEnvFile(env))).toEqual(env);
    }),
  );
});

describe('external ports', () => {
  test('are those asked for, else those had before, else the lowest free ones', () => {
    const current = [{ internal: 80, external: 7000 }];
    const wanted = [{ internal: 80 }, { internal: 81, external: 4000 }, { internal: 82, external: 0 }];
    expect(choosePorts(wanted, current, (port) => port === 4001)).toEqual([
      { internal: 80, external: 7000 },
      { internal: 81, external: 4000 },
      { internal: 82, external: 4002 },
    ]);
  });

  test('stay with the internal ports that had them, in whatever order these are listed', () => {
    const listed = fc.uniqueArray(fc.integer({ min: 1, max: 65535 }), { minLength: 1, maxLength: 20 });
    const orders = listed.chain((ports) =>
      fc.tuple(
        fc.constant(ports),
        fc.shuffledSubarray(ports, { minLength: ports.length }),
        fc.nat(ports.length),
      ),
    );
    const wanted = (ports: number[]) => ports.map((internal) => ({ internal }));
    fc.assert(
      fc.property(orders, ([ports, reordered, count]) => {
        const current = choosePorts(wanted(ports.slice(0, count)), [], () => false);
        const chosen = choosePorts(wanted(reordered), current, () => false);
        expect(chosen.map(({ internal }) => internal)).toEqual(reordered);
        expect(chosen).toEqual(expect.arrayContaining(current));
      }),
    );
  });

  test('are never given twice', () => {
    const wanted = fc
      .uniqueArray(fc.integer({ min: 1, max: 65535 }), { maxLength: 20 })
      .map((ports) => ports.map((internal) => ({ internal })));
    fc.assert(
      fc.property(wanted, fc.integer({ min: 4000, max: 4030 }), (ports, kept) => {
        const current = ports.slice(0, 2).map(({ internal }, i) => ({ internal, external: kept + i }));
        const chosen = choosePorts(ports, current, (port) => port % 3 === 0).map(({ external }) => external);
        expect(new Set(chosen).size).toBe(chosen.length);
      }),
    );
  });

  test('run out', () => {
    expect(() => choosePorts([{ internal: 80 }], [], () => true)).toThrow('no external port');
  });
});
