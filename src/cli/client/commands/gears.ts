import { Option } from 'commander';
import type { Answer } from '../../../jobs/registry.ts';
import type { Flags } from '../../options/config.ts';
import { type ChangeFlags, change, placeOf } from '../change.ts';
import { hostOption } from '../fields.ts';
import { readPages } from '../pages.ts';
import type { Row } from '../row.ts';
import { columns, nextCommand, pairs } from '../show.ts';

const onHost = hostOption('the host that it must be on');

/** Creates a command that does one thing to each named gear. */
const toEach = (verb: 'start' | 'stop' | 'restart' | 'remove', done: string): Row<ChangeFlags> => ({
  sends: [`container.${verb}`],
  names: 'gear',
  changes: 'by job',
  options: [onHost],
  run: (call) =>
    change<`container.${typeof verb}`>(call, {
      names: call.args,
      send: (r, options) => call.client.container[verb]({ r, ...placeOf(call.flags) }, options),
      show: (name, { host }, seconds) => `${name} is ${done} on ${host}, in ${seconds}\n`,
    }),
});

export const start = toEach('start', 'started');
export const stop = toEach('stop', 'stopped');
export const restart = toEach('restart', 'restarted');
export const remove = toEach('remove', 'removed');

type Summary = Answer<'container.list'>['containers'][number];

/** `gear ls [PREFIX]` */
export const ls: Row<{ host?: string }> = {
  sends: ['container.list'],
  names: 'gear',
  options: [hostOption('only the gears of this host')],
  async run(call) {
    const [prefix = ''] = call.args;
    const all = await readPages(
      (asked) => call.client.container.list({ h: call.flags.host, ...asked }, { signal: call.signal }),
      ({ containers }) => containers,
    );
    const gears = all.filter(({ resource }) => resource.startsWith(prefix));
    const names = gears.map(({ resource }) => `${resource}\n`).join('');
    await call.print({ containers: gears }, call.quiet ? names : showGears(gears));
    return 0;
  },
};

const portsOf = (ports: Summary['ports']) =>
  ports?.map(({ internal, external }) => `${external}:${internal}`).join(' ') || '-';

const showGears = (gears: readonly Summary[]) =>
  columns(
    ['NAME', 'STATE', 'PORTS', 'IMAGE', 'HOST'],
    gears.map(({ resource, systemd, ports, image, host }) => [
      resource,
      systemd ? `${systemd.active} (${systemd.sub})` : 'unknown: the host does not answer',
      portsOf(ports),
      image ?? '-',
      host,
    ]),
  );

/** `gear show NAME` */
export const show: Row<{ host?: string; unit?: true }> = {
  sends: ['container.read'],
  names: 'gear',
  options: [onHost, new Option('--unit', 'print the text of its systemd unit')],
  async run(call) {
    const [r = ''] = call.args;
    const gear = await call.client.container.read({ r, h: call.flags.host }, { signal: call.signal });
    await call.print(gear, call.flags.unit ? gear.unitText : showGear(gear, call.flags));
    return 0;
  },
};

type Gear = Answer<'container.read'>;

const stateOf = ({ active, sub, since }: Gear['systemd']) =>
  `${active} (${sub})${since ? ` since ${since}` : ''}`;

function environmentOf({ resource, environment }: Gear, flags: Flags): string | null {
  if (!environment) return null;
  const restart = nextCommand(flags, `restart ${resource}`);
  return `${environment.name}${environment.outdated ? `, changed since the gear was started: ${restart}` : ''}`;
}

function showGear(gear: Gear, flags: Flags): string {
  const { systemd, spec, failedUpdate } = gear;
  const { command, volumes, network, memory, cpus, env } = spec;
  return pairs({
    Name: gear.resource,
    Host: gear.host,
    Image: gear.image,
    State: stateOf(systemd),
    'After a reboot': gear.enabled ? 'runs' : 'stays stopped',
    Restarts: systemd.restarts > 0 ? `${systemd.restarts}, the last with ${systemd.result}` : '0',
    Ports: portsOf(gear.ports),
    Command: command.length > 0 ? command.map((word) => JSON.stringify(word)).join(' ') : null,
    Volumes:
      volumes.map(({ name, path, of }) => `${of ? `${of}/` : ''}${name} at ${path}`).join(', ') || null,
    Network: network,
    Memory: memory === undefined ? null : `${Math.round(memory / 2 ** 20)} MiB`,
    CPUs: cpus === undefined ? null : String(cpus),
    Variables: env.map(({ name }) => name).join(', ') || null,
    Environment: environmentOf(gear, flags),
    Unit: gear.unit,
    Container: gear.container,
    'Failed update': failedUpdate
      ? `${failedUpdate.at}: ${failedUpdate.error.detail} (job ${failedUpdate.job})`
      : null,
  });
}
