import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkRest, checkRound } from './check/check-round.ts';
import { checkRecoveries, recoveries } from './check/recovery.ts';
import type { Violation } from './check/violation.ts';
import { openSite, type Site } from './lab/site.ts';
import { enter, type Ledger } from './ledger.ts';
import { tellFault } from './plan/fault.ts';
import { copied, isCopy, type Operation, resourceOf } from './plan/operation.ts';
import { without } from './plan/parts.ts';
import { type Bias, createPlan, type Round } from './plan/round.ts';
import { apply, emptyWorld, type World } from './plan/world.ts';
import { jobOf, send } from './play/client.ts';
import { playRound } from './play/play-round.ts';
import { restartDocker } from './play/strike.ts';
import { tellRound, tellViolations } from './report.ts';
import { type ContainerWatch, watchContainers } from './watch.ts';

export interface Campaign {
  seed: number;
  rounds: number;
  /** Only this round, without the parts of these numbers. */
  round: number | null;
  without: readonly number[];
  /** Whether it is to end after a round with these. */
  isEnough(violations: readonly Violation[]): boolean;
  fleet: boolean;
  /** Every kind of fault in its turn, one a round. */
  inTurn: boolean;
  bias: Bias;
  /** Aborts when the whole is interrupted. */
  signal: AbortSignal;
  /** Where logs of rounds with broken promises go. */
  logs: string;
  say(line: string): void;
}

/** Gears and a repository that nothing is ever asked of: they must stay as they are. */
const untouched: Operation[] = [
  ...['calm-1', 'calm-2'].map((name, i) => ({
    ...{ id: `${i + 1}`.padStart(32, 'f'), name, kind: 'install' as const, start: true, createOnly: false },
    spec: { mark: name, port: i === 0 ? null : 0, environment: null, volume: null, fails: false },
  })),
  { id: '3'.padStart(32, 'f'), name: copied, kind: 'repository' },
];

/** Gives the repository that others are copied from its commit. */
async function commitToCopied({ hosts }: Site, { places }: World): Promise<void> {
  const host = hosts.find(({ name }) => name === places.get(`repository ${copied}`));
  const as = '-c user.name=crash -c user.email=crash@localhost';
  const commit = `git ${as} commit -q --allow-empty -m first && git push -q /var/lib/gears/git/${copied} HEAD`;
  await host?.ok('sh', '-c', `git init -q -b main /tmp/work && cd /tmp/work && ${commit} && sync`);
}

/** A round in which promises were broken. */
export interface Broken {
  round: Round;
  violations: readonly Violation[];
}

/**
 * Plays rounds on fresh hosts until they are over or that is enough. Returns the first that broke promises. `directory` is the
 * lab's, `gear` the executable that is tried.
 */
export async function runCampaign(
  directory: string,
  gear: string,
  campaign: Campaign,
  ledger: Ledger,
): Promise<Broken | null> {
  const { signal, seed } = campaign;
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
  interrupted.catch(() => undefined); // Before a site is open it is asked for below.
  const score: Score = { plan: createPlan(seed, campaign), number: 0, first: null };
  for (;;) {
    const site = await openSite(directory, gear, campaign);
    const playing = async () => {
      signal.throwIfAborted();
      return playRounds(site, campaign, score, ledger);
    };
    try {
      return await Promise.race([playing(), interrupted]);
    } catch (error) {
      if (!isDockersPanic(error)) throw error;
      ledger.voided++;
      campaign.say(
        `round ${score.number} is void: Docker no longer starts (moby/moby#45057); on with fresh hosts`,
      );
    } finally {
      await site.close();
    }
  }
}

/** Docker 20.10 panics at each start when it has ended while it removed a network. Nothing that geard does brings it up again. */
const isDockersPanic = (error: unknown) =>
  (error as Error).message.includes('libnetwork.(*controller).reservePools');

/** How far a campaign has come. */
interface Score {
  plan: ReturnType<typeof createPlan>;
  /** Of the last round that was begun. */
  number: number;
  first: Broken | null;
}

async function playRounds(
  site: Site,
  campaign: Campaign,
  score: Score,
  ledger: Ledger,
): Promise<Broken | null> {
  const { rounds, round: only, isEnough, say } = campaign;
  const watches = site.hosts.map(watchContainers);
  const world = emptyWorld();
  let isFresh = score.number > 0 || only !== null;
  await bringAbout(site, world, untouched);
  await commitToCopied(site, world);
  try {
    while (++score.number <= (only ?? rounds)) {
      const round = score.plan.next();
      if (only !== null && score.number < only) continue;
      if (isFresh) await bringAbout(site, world, operationsFor(round.before));
      isFresh = false;
      const violations = await oneRound(site, campaign, { round, world, watches, ledger });
      if (violations.length > 0) score.first ??= { round, violations };
      if (isEnough(violations)) return score.first;
    }
    const last = await checkEnd(site, world);
    if (last.length > 0) {
      const what = ['after Docker and the host were restarted at the end:', ...tellViolations(last)];
      say([...what, `again, from the first round to the last: ${commandForAll(campaign)}`].join('\n'));
    }
    for (const { promise } of last) ledger.violations.set(promise, (ledger.violations.get(promise) ?? 0) + 1);
    return score.first;
  } finally {
    for (const watch of watches) watch.close();
  }
}

interface Playing {
  round: Round;
  world: World;
  watches: readonly ContainerWatch[];
  ledger: Ledger;
}

async function oneRound(
  site: Site,
  campaign: Campaign,
  { round, world, watches, ledger }: Playing,
): Promise<Violation[]> {
  const { say } = campaign;
  const logs = followLogs(site);
  const tellBroken = async (what: readonly string[]) => {
    const file = join(campaign.logs, `round-${round.number}.log`);
    await mkdir(campaign.logs, { recursive: true });
    await writeFile(file, logs.map(({ text }) => text()).join(''));
    const again = `again: ${commandFor(campaign, round.number)}; geard's log of the round: ${file}`;
    say([...what, ...tellRound(round, campaign.without), again].join('\n'));
  };
  const began = Date.now();
  const played = await playRound(site, without(round, campaign.without)).catch(async (error: Error) => {
    await tellBroken([`round ${round.number}: ${error.message}`]);
    throw error;
  });
  const took = Date.now() - began;
  const state = await checkRound(site, world, played, watches);
  const { role } = site.program;
  const recovered = logs.flatMap(({ text, starts }) => recoveries(text(), role, starts(), played.requests));
  const violations = [...state, ...checkRecoveries(recovered, played.struck)];
  enter(ledger, played, recovered, violations);
  for (const watch of watches) watch.forget(Date.now());
  const faults = played.struck.map(
    ({ fault, happened }) => `${tellFault(fault)}${happened ? '' : ' (not passed)'}`,
  );
  const verdict = violations.length === 0 ? 'ok' : `${violations.length} BROKEN`;
  const times = `${took} + ${Date.now() - began - took} ms`;
  say(
    `round ${round.number}: ${verdict}; ${played.requests.length} requests, ${faults.join('; ')}; ${times}`,
  );
  if (violations.length === 0) return violations;
  await tellBroken(tellViolations(violations));
  // What is left behind is told once.
  for (const host of site.hosts) await host.run('systemctl', 'daemon-reload');
  return violations;
}

/** What geard logs from now on, and when it is started, on each host. */
function followLogs({ hosts, program }: Site): { text(): string; starts(): number[] }[] {
  return hosts.map((host) => {
    const bytes = program.logged(host);
    const earlier = program.starts(host).length;
    return {
      text: () => program.logSince(host, bytes),
      starts: () => program.starts(host).slice(earlier),
    };
  });
}

/** How to play one round of a campaign again. */
export const commandFor = (campaign: Campaign, round: number) => command(campaign, `--round ${round}`);

/** How to play all of it again. What its end shows may have come of any round, so that nothing shorter is sure to show it. */
const commandForAll = (campaign: Campaign) =>
  campaign.round === null
    ? command(campaign, `--rounds ${campaign.rounds} --keep-going`)
    : commandFor(campaign, campaign.round);

function command({ seed, fleet, inTurn, without: left }: Campaign, which: string): string {
  const more = [
    fleet ? ' --fleet' : '',
    inTurn ? ' --in-turn' : '',
    left.length > 0 ? ` --without ${left}` : '',
  ];
  return `npm run crash -- --seed ${seed} ${which}${more.join('')}`;
}

/** Carries operations out where nothing goes wrong. */
async function bringAbout(site: Site, world: World, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations) {
    await send(site, operation);
    const job = await jobOf(site, operation.id, Date.now() + 60_000);
    if (job?.state !== 'succeeded')
      throw new Error(`${operation.kind} ${operation.name}: ${job?.error?.detail ?? 'no end'}`);
    apply(world, operation);
    world.places.set(resourceOf(operation), job.host);
  }
}

/** What a round begins with, as operations on an empty host. */
function operationsFor({ gears, environments, repositories }: World): Operation[] {
  let next = 0;
  const id = () => (++next).toString(16).padStart(32, 'e');
  return [
    ...[...environments].map(([name, env]) => ({ id: id(), name, kind: 'replace' as const, env })),
    ...[...repositories].map((name) => {
      const kind = isCopy(name) ? ('copy' as const) : ('repository' as const);
      return { id: id(), name, kind };
    }),
    ...[...gears].flatMap(([name, { spec, running, enabled }]) => [
      { id: id(), name, kind: 'install' as const, spec, start: enabled || !running, createOnly: false },
      ...(running ? [] : [{ id: id(), name, kind: 'stop' as const }]),
    ]),
  ];
}

/** Nothing comes back, and everything does that should: after Docker was restarted, and after a boot. */
async function checkEnd(site: Site, world: World): Promise<Violation[]> {
  for (const host of site.hosts) await restartDocker(host);
  const afterDocker = await checkRest(site.hosts, world, 30_000);
  for (const host of site.hosts) await host.reboot();
  await site.booted();
  await site.ready();
  for (const gear of world.gears.values()) gear.running = gear.enabled;
  return [...afterDocker, ...(await checkRest(site.hosts, world, 30_000))];
}
