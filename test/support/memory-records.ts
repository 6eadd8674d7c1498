import { setImmediate } from 'node:timers/promises';
import type { Job, JobState, Outcome } from '../../src/jobs/job.ts';
import type { JobRecord, WorkerRecords } from '../../src/queue/worker-queue.ts';

/** Records in memory with one line for each resource, and everything that it was told. */
export class MemoryRecords implements WorkerRecords {
  readonly told: string[] = [];
  readonly outcomes = new Map<string, Outcome>();
  readonly #records = new Map<string, JobRecord>();
  readonly #lines = new Map<string, string[]>();

  accept(record: JobRecord): string {
    const { id, resource } = record.job;
    this.#records.set(id, record);
    this.#lineOf(resource).push(id);
    return id;
  }

  /** Ends a job as an api does: it is open no more, and in no line. */
  cancel(id: string): void {
    const { job } = this.#records.get(id) ?? {};
    this.#setState(id, 'cancelled');
    if (job) this.#leave(id, job.resource);
  }

  /** Has a job expire: its id stays in its line. */
  expire(id: string): void {
    this.#records.delete(id);
  }

  stateOf(id: string): JobState | undefined {
    return this.#records.get(id)?.job.state;
  }

  async read(id: string) {
    return this.#records.get(id) ?? null;
  }

  async readCancel(id: string) {
    return this.#records.get(id)?.cancel ?? null;
  }

  async take(id: string) {
    this.told.push(`take ${id}`);
    return 'taken' as const;
  }

  async open() {
    return [...this.#records.values()].flatMap(({ job }) =>
      job.state === 'queued' || job.state === 'running' ? [job.id] : [],
    );
  }

  async begin({ job: { id, resource } }: JobRecord) {
    await setImmediate(); // As a call to Redis, it lets others go on.
    const [first] = this.#lineOf(resource);
    const record = this.#records.get(id);
    if (!record || first === undefined || record.job.state === 'cancelled') return { turn: 'over' } as const;
    if (first !== id) return { turn: 'behind', first } as const;
    record.job.state = 'running';
    record.job.attempts++;
    this.told.push(`begin ${id}`);
    return { turn: 'begun', record } as const;
  }

  async next({ job: { resource } }: JobRecord) {
    return this.read(this.#lineOf(resource)[1] ?? '');
  }

  async progress() {}

  async retried() {}

  async handBack(id: string) {
    this.told.push(`hand back ${id}`);
    this.#setState(id, 'queued');
  }

  async finish({ job: { id, resource } }: JobRecord, outcome: Outcome) {
    this.told.push(`finish ${id}`);
    this.outcomes.set(id, outcome);
    this.#setState(id, outcome.state);
    return this.#leave(id, resource);
  }

  async forget(id: string) {
    this.told.push(`forget ${id}`);
  }

  async drop({ id, resource }: Pick<Job, 'id' | 'resource'>) {
    this.told.push(`drop ${id}`);
    this.#leave(id, resource);
  }

  #setState(id: string, state: JobState): void {
    const record = this.#records.get(id);
    if (record) record.job.state = state;
  }

  #lineOf(resource: string): string[] {
    const line = this.#lines.get(resource) ?? [];
    this.#lines.set(resource, line);
    return line;
  }

  #leave(id: string, resource: string): string | null {
    const left = this.#lineOf(resource).filter((one) => one !== id);
    this.#lines.set(resource, left);
    return left[0] ?? null;
  }
}
