import { mkdir, rm, writeFile } from 'node:fs/promises';
import type { Outcome } from '../src/jobs/job.ts';
import { gearSpec } from '../src/jobs/types/container.ts';
import { newJob, recordArgument, recordFields, recordKeys } from '../src/queue/accept/record-request.ts';
import type { JobSubmission } from '../src/queue/accept/submission.ts';
import type { JobRecord } from '../src/queue/records/job-record.ts';
import { createWorkerRecords } from '../src/queue/records/worker-records.ts';
import { runScript } from '../src/queue/scripts/run-script.ts';
import { renderUnit, wantedBy } from '../src/worker/domain/unit-file.ts';
import { createUnitLinks } from '../src/worker/systemd/unit-links.ts';
import type { Client } from '../test/support/client.ts';
import { type KeyedFleet, openKeyedFleet } from '../test/support/keyed-fleet.ts';
import { jobLimits } from '../test/support/limits.ts';
import { ok } from '../test/support/run.ts';
import { plainGear, unitHost } from '../test/support/some-gear.ts';
import { until } from '../test/support/until.ts';
import { cpuSeconds } from './scale/fleet.ts';
import { median, p99, type Row } from './table.ts';

const gears = 1_000;
const jobs = 100_000;
/** Jobs on gears of a small team, of its own user; and one of so many has failed. */
const smallTeam = 200;
const failsEvery = 5_000;
const keepSeconds = 7 * 24 * 60 * 60;
const goal = { atMost: 100 };

const bigGear = (n: number) => `team-b-${String(n).padStart(4, '0')}`;
const smallGear = (n: number) => `team-a-${n}`;
/** Most gears are of one team, ten are of another. */
const names = [
  ...Array.from({ length: gears - 10 }, (_, n) => bigGear(n)),
  ...Array.from({ length: 10 }, (_, n) => smallGear(n)),
];

/** Has the units of all gears count as running, without a process and without a container. */
const dropIn = '/run/systemd/system/gear-team-.service.d';
const nothing = `[Service]
Type=oneshot
RemainAfterExit=yes
Restart=no
RestartForceExitStatus=
ExecStartPre=
ExecStart=
ExecStart=/bin/true
ExecStop=
ExecStopPost=
`;

/** Gears whose units are real and active; nothing of them runs. */
async function writeGears({ base }: KeyedFleet): Promise<void> {
  await mkdir(dropIn, { recursive: true });
  await writeFile(`${dropIn}/nothing.conf`, nothing);
  const host = unitHost(base);
  const { paths } = host;
  const links = createUnitLinks(wantedBy(host.engine));
  await mkdir(paths.units, { recursive: true });
  for (const [n, resource] of names.entries()) {
    const spec = gearSpec.parse({ image: 'geard/sample', env: [{ name: 'A', value: 'b' }], memory: '64m' });
    const ports = [{ internal: 8080, external: 20_000 + n }];
    const unit = { ...plainGear(resource), spec, ports, pids: 1_024 };
    await writeFile(paths.unit(resource), renderUnit(unit, host));
    await links.place(paths.unit(resource), false);
  }
  await ok('systemctl', 'daemon-reload');
  await ok('systemctl', 'start', ...names.map((name) => `gear-${name}.service`));
}

/** What a job is on. */
function gearOf(n: number) {
  const isSmall = n % (jobs / smallTeam) === 0;
  return { isSmall, resource: isSmall ? smallGear(n % 10) : bigGear(n % (gears - 10)) };
}

/** How many jobs are on a gear. */
const jobsOn = (gear: string) =>
  Array.from({ length: jobs }, (_, n) => gearOf(n + 1)).filter(({ resource }) => resource === gear).length;

/** Jobs that have been accepted and have ended, by the scripts that do that. */
async function writeJobs({ redis: { redis } }: KeyedFleet): Promise<void> {
  const records = createWorkerRecords(redis, 'h1', keepSeconds);
  const limits = jobLimits({ maxJobs: jobs, maxJobsPerGear: jobs, userJobs: jobs });
  const one = async (n: number) => {
    const { isSmall, resource } = gearOf(n);
    const submission: JobSubmission = {
      ...{ id: n.toString(16).padStart(32, '0'), fingerprint: 'f'.repeat(43) },
      ...{ user: isSmall ? 'a' : 'b', tenant: isSmall ? 'a' : 'b' },
      ...{ command: { type: 'container.stop', params: { resource } }, expires: 86_400 },
      seal: () => 'sealed'.repeat(100),
    };
    const job = newJob(submission, 'h1', Date.now());
    const what = recordArgument(submission, { limits, keepSeconds }, Date.now() + 60_000, false);
    const args = ['h1', what, '', '', '', 0, ...recordFields(job, submission)];
    const [verdict] = await runScript(redis, 'accept', recordKeys(submission, 'h1'), args);
    if (verdict !== 'accepted') throw new Error(verdict);
    const error = { code: 'internal', detail: 'it broke' } as const;
    const result = { unit: `gear-${resource}.service`, changed: true };
    const outcome: Outcome =
      n % failsEvery === 0 ? { state: 'failed', error } : { state: 'succeeded', result };
    await records.finish({ job } as JobRecord, outcome, true);
  };
  for (let n = 1; n <= jobs; n += 500)
    await Promise.all(Array.from({ length: Math.min(500, jobs - n + 1) }, (_, i) => one(n + i)));
}

type Page = { jobs?: unknown[]; containers?: unknown[]; next?: string };

/** All pages of a list, so many times: what each took, and how much was on them. */
async function walk(client: Client, path: string, query: Record<string, string>, times: number) {
  const took: number[] = [];
  let found = 0;
  for (let time = 0; time < times; time++) {
    let next: string | undefined;
    do {
      const started = performance.now();
      const after: Record<string, string> = next === undefined ? {} : { after: next };
      const { status, body } = await client.send<Page>('GET', path, { ...query, ...after });
      took.push(performance.now() - started);
      if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
      found += (body.jobs ?? body.containers ?? []).length;
      next = body.next;
    } while (next !== undefined);
  }
  return { took, found: found / times };
}

async function measure(
  fleet: KeyedFleet,
  client: Client,
  what: string,
  times: number,
  expected: number,
): Promise<Row> {
  const [path = '', query = ''] = what.split('?');
  const { api, worker } = fleet.processes;
  const computed = () =>
    [api.pid, worker.pid, fleet.redis.pid]
      .map((pid) => cpuSeconds(pid))
      .reduce((sum, seconds) => sum + seconds, 0);
  const before = computed();
  const { took, found } = await walk(client, path, Object.fromEntries(new URLSearchParams(query)), times);
  const each = (1000 * (computed() - before)) / took.length;
  if (found !== expected) throw new Error(`${what} has ${found} and not ${expected}`);
  return {
    what: `a page of ${what}, ${expected} in ${took.length / times} pages, p99 in ms`,
    ours: `${p99(took).toFixed(0)} ms`,
    theirs: `median ${median(took).toFixed(0)} ms; computing of all ${each.toFixed(1)} ms`,
    value: p99(took),
    reach: goal,
  };
}

/** What another token's GET container takes, so many times, while one asks for all gears so many times at once, over and over. */
async function besideMany(fleet: KeyedFleet, count: number, times: number): Promise<Row> {
  const [many, other] = [await fleet.as({ r: 'team-b-*' }), await fleet.as({ r: smallGear(1) })];
  const took: number[] = [];
  let answered = 0;
  let refused = 0;
  const askOn = async () => {
    while (took.length < times) {
      const { status } = await many.send('GET', 'containers');
      if (status === 200) answered++;
    }
  };
  const asking = Array.from({ length: count }, askOn);
  while (took.length < times) {
    const started = performance.now();
    if ((await other.send('GET', 'container')).status !== 200) refused++;
    took.push(performance.now() - started);
  }
  await Promise.all(asking);
  return {
    what: `GET container of ${times} that are not answered while another token has ${count} GET containers under way`,
    ours: `${refused} of ${times}`,
    theirs: `median ${median(took).toFixed(0)} ms, p99 ${p99(took).toFixed(0)} ms; ${answered} of the other token's are answered`,
    value: refused,
    reach: { atMost: 0 },
  };
}

/** Pages of GET jobs and GET containers on a host with many gears and a long history. */
export async function benchLists(): Promise<Row[]> {
  const fleet = await openKeyedFleet('relay');
  try {
    await writeGears(fleet);
    await fleet.stop('worker');
    await fleet.start('worker');
    const all = await fleet.as({ a: ['*.read'] });
    await until('all gears are known', async () => (await walk(all, 'containers', {}, 1)).found === gears);
    await fleet.stop('worker'); // It would take what is only about to be finished.
    await writeJobs(fleet);
    await fleet.start('worker');
    const rows: Row[] = [];
    await walk(all, 'containers', { limit: '1000' }, 20); // Warms up.
    await walk(all, 'jobs', { limit: '1000' }, 1);
    const small = await fleet.as({ a: ['*.read'], r: 'team-a-*' });
    for (const [client, what, times, expected] of [
      [all, 'jobs', 1, jobs],
      [all, 'jobs?limit=1000', 2, jobs],
      [all, 'jobs?state=failed', 200, jobs / failsEvery],
      [all, 'jobs?u=a', 100, smallTeam],
      [all, 'jobs?r=team-b-0007', 100, jobsOn(bigGear(7))],
      [small, 'jobs?limit=200', 100, smallTeam],
      [small, 'jobs?r=team-a-11', 200, 0],
      [all, 'containers', 20, gears],
      [all, 'containers?limit=1000', 50, gears],
      [all, 'containers?h=h1', 20, gears],
      [small, 'containers?limit=20', 200, 10],
    ] as const)
      rows.push(await measure(fleet, client, what, times, expected));
    rows.push(await besideMany(fleet, 300, 300));
    return rows;
  } finally {
    await fleet.close();
    await rm(dropIn, { recursive: true });
  }
}
