import type { Bias } from './plan/round.ts';

/** geard broken in a known way: the ledger must find it. */
export interface Mutant {
  name: string;
  /** What is broken. */
  what: string;
  edits: readonly Edit[];
  /** What has it show sooner; the program as it is has the same when it must live through what the mutant has. */
  sooner?: readonly Edit[];
  /** What of it must be told; whatever else is wrong does not count. */
  expect: RegExp;
  /** What shows it more often. */
  bias: Bias;
}

/** A replacement in a file of dist, where the text must be there exactly once. */
export interface Edit {
  file: string;
  find: string;
  replace: string;
}

const crashes = { failpoint: 60, kill: 40 };
const none = {
  ...{ failpoint: 0, kill: 0, stop: 0, 'fill the disk': 0, 'restart docker': 0, 'restart D-Bus': 0 },
  ...{ 'execute systemd again': 0, 'tear the append-only file': 0, reboot: 0, 'cut the power': 0 },
  'set the clock': 0,
};

export const mutants: readonly Mutant[] = [
  {
    name: 'no fence',
    what: 'a restart that had taken place when the worker was killed is done again',
    edits: [
      {
        file: 'worker/handlers/run-state.js',
        find: "untouched ? 'restart' : 'start'",
        replace: "'restart'",
      },
    ],
    expect: /^doubled: gear/,
    bias: { faults: { ...none, ...crashes }, operations: { restart: 120 } },
  },
  {
    name: 'no fsync',
    what: 'files and directories are written and renamed, and never synced',
    edits: [
      { file: 'worker/host/files.js', find: '() => file.sync()', replace: 'async () => undefined' },
      { file: 'worker/host/files.js', find: '() => handle.sync()', replace: 'async () => undefined' },
    ],
    expect: /^(wrong|orphan|lost|failed|replay): /,
    bias: { faults: { ...none, 'cut the power': 1 } },
  },
  {
    name: 'acknowledge before record',
    what: 'the api answers 202 before the request is in Redis',
    edits: [
      {
        file: 'api/routes/changes.js',
        find: 'const placed = await queue.accept(submission, await placementFor(queue, wanted, spec));',
        replace: `const placement = await placementFor(queue, wanted, spec);
        const known = await queue.job(id);
        if (known) return { verdict: 'known', record: known };
        queue.accept(submission, placement).catch(() => undefined);
        const job = { id, type: command.type, state: 'queued', resource: command.params.resource };
        const placed = { verdict: 'accepted', job: { ...job, finishedAt: null } };`,
      },
    ],
    expect: /^lost: /,
    bias: { faults: { ...none, ...crashes } },
  },
  {
    name: 'retry counted as crash',
    what: 'a job that has waited for Docker is given up as one that takes its worker down (after 2 times, not 20)',
    edits: [
      {
        file: 'queue/records/worker-records.js',
        find: "hincrby(keys.run(host, id), 'attempts', 1)",
        replace:
          "multi().hincrby(keys.run(host, id), 'attempts', 1).hincrby(keys.run(host, id), 'crashes', 1).exec()",
      },
    ],
    sooner: [
      { file: 'worker/jobs/execute.js', find: 'const maxCrashes = 20;', replace: 'const maxCrashes = 2;' },
    ],
    expect: /given up after \d+ crashes/,
    // A job is given up only where it is begun again, so that a process must end too; twice in one round is rare.
    bias: { faults: { ...none, 'restart docker': 75, kill: 25 }, secondFault: 0.9 },
  },
  {
    name: 'no reload',
    what: 'systemd is not told when a gear was removed',
    edits: [
      {
        file: 'worker/systemd/systemd.js',
        find: 'settle: async () => (read < changes ? reload() : undefined)',
        replace: 'settle: async () => undefined',
      },
    ],
    expect: /^orphan: .* in the memory of systemd/,
    bias: { operations: { remove: 40 } },
  },
];
