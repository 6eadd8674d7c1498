/** Abort reason of a job's signal: the job was cancelled, and its work so far must be undone. */
export class Cancelled extends Error {
  constructor() {
    super('the job was cancelled');
    this.name = 'Cancelled';
  }
}

/** Abort reason of a job's wait for its turn: an api has ended the job. */
export class EndedByApi extends Error {
  constructor() {
    super('the job has ended');
    this.name = 'EndedByApi';
  }
}

/**
 * The job is handed back: the worker is stopping, or the job must be delivered again. The next
 * attempt continues the work so far.
 */
export class HandedBack extends Error {
  constructor() {
    super('the worker is stopping; the job continues when a worker is back');
    this.name = 'HandedBack';
  }
}
