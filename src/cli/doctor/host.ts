import { watch } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { whereIs } from '../../lib/exec.ts';
import { createDocker } from '../../worker/docker/docker.ts';
import { networkRules } from '../../worker/domain/networks.ts';
import type { EngineFacts } from '../../worker/engine/engine.ts';
import { openBus } from '../../worker/systemd/bus.ts';
import { createSystemd, type Systemd } from '../../worker/systemd/systemd.ts';
import { type Check, ok, problem, type Situation, warning } from './finding.ts';

/** Timeout for a call of systemd, in milliseconds. */
const deadlineMs = 5_000;
/** Commands in gear units begin with a colon, which older versions do not know. */
const oldestSystemd = 244;
/** The usual limit of kernels; see docs/streams.md. */
const leastInotify = 128;

async function askSystemd<T>(log: Logger, ask: (systemd: Systemd) => Promise<T>): Promise<T> {
  const bus = await openBus({ log, deadlineMs });
  try {
    return await ask(await createSystemd(bus, [], log));
  } finally {
    bus.close();
  }
}

/** Reads facts about Docker. Rejects with the reason when Docker does not answer. */
export async function askDocker({ docker, log }: Pick<Situation, 'docker' | 'log'>): Promise<EngineFacts> {
  await access(docker);
  const engine = createDocker({ socketPath: docker, log });
  return engine.about().finally(() => engine.close());
}

export const systemd: Check<typeof askSystemd> = {
  at: 'whether it answers on D-Bus, and its version',
  mend: 'it must be PID 1, and have a system bus: systemctl start dbus',
  async look({ log }, ask = askSystemd) {
    const version = await ask(log, (one) => one.version());
    if (version >= oldestSystemd) return ok(`${version}`);
    return problem(`${version} cannot read units of gears`, `update to ${oldestSystemd} or later`);
  },
};

export const docker: Check = {
  at: 'whether it answers at --docker, and its version',
  mend: 'systemctl enable --now docker (apt-get install docker.io); run this as root; --docker names its socket',
  async look(situation) {
    const { version, isNewEnough } = await askDocker(situation);
    const what = `${version} at ${situation.docker}`;
    return isNewEnough ? ok(what) : problem(`${what} is too old`, 'update to Docker 20.10 or later');
  },
};

export const network: Check<typeof askSystemd> = {
  at: 'whether the rules that keep gears apart are loaded',
  mend: 'see the check of systemd',
  async look({ log }, ask = askSystemd) {
    const { active } = await ask(log, (one) => one.activity(networkRules));
    if (active === 'active' || active === 'reloading') return ok(`${networkRules} is ${active}`);
    const mend = `systemctl enable --now ${networkRules}; contrib/install.sh worker installs it`;
    return warning(
      `${networkRules} is ${active}: gears can reach this host and everything that it reaches`,
      mend,
    );
  },
};

/** The Debian packages of the programs that run on a host. */
const packages = {
  docker: 'docker.io',
  nft: 'nftables',
  journalctl: 'systemd',
  git: 'git',
  flock: 'util-linux',
  prlimit: 'util-linux',
  choom: 'util-linux',
};

export const programs: Check<typeof whereIs> = {
  at: 'docker, nft, git and the other programs that run on a host',
  mend: 'see docs/operations.md',
  async look(_, find = whereIs) {
    const all = Object.entries(packages);
    const places = await Promise.all(all.map(([name]) => find(name)));
    const missing = all.filter((_, i) => places[i] === null);
    if (missing.length === 0) return ok(Object.keys(packages).join(', '));
    const mend = `apt-get install ${[...new Set(missing.map(([, from]) => from))].join(' ')}`;
    const names = missing.map(([name]) => name).join(', ');
    if (names === 'git') return warning('git is missing: there are no repositories', mend);
    return problem(`missing: ${names}`, mend);
  },
};

/** Returns how many instances the kernel grants. Rejects when none is left. */
async function grantedInotify(): Promise<number> {
  watch('/proc/self/status').close();
  return Number(await readFile('/proc/sys/fs/inotify/max_user_instances', 'utf8'));
}

export const inotify: Check<typeof grantedInotify> = {
  at: 'how many instances the kernel grants; following logs needs them',
  mend: 'sysctl -w fs.inotify.max_user_instances=1024, and the same in /etc/sysctl.d/geard.conf',
  async look(_, granted = grantedInotify) {
    const limit = await granted();
    return limit >= leastInotify ? ok(`${limit} instances`) : warning(`${limit} instances`, inotify.mend);
  },
};
