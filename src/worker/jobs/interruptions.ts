/** Why a job's signal aborts: somebody cancelled it, and what it has begun is to be taken back. */
export class Cancelled extends Error {
  constructor() {
    super('the job was cancelled');
    this.name = 'Cancelled';
  }
}

/**
 * Why a job's signal aborts: the worker stops. What it has begun stays for the next attempt to go
 * on from.
 */
export class HandedBack extends Error {
  constructor() {
    super('the worker is stopping; the job goes on when a worker is back');
    this.name = 'HandedBack';
  }
}
