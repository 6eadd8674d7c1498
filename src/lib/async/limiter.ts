/** Releases a slot. Further calls have no effect. */
export type Release = () => void;

export interface Bounds {
  /** Total number of slots. */
  all: number;
  /** Maximum number of slots per key. */
  perKey: number;
  /** Maximum length of a busy key's cooldown, in milliseconds; default: it does not cool down. */
  longestCooldown?: number;
}

/** Milliseconds during which a key counts as active after a call or a release. */
export const activeTime = 10_000;

/** Length of a cooldown as a multiple of the use before it, for each slot of the key. */
const restFactor = 10;

/** Hands a slot to a waiting caller. */
type Waiting = (release: Release) => void;

/**
 * Limits concurrent slots, in total and per key. Free slots go to the waiting keys in turn (round
 * robin), and within a key in the order of the calls: many requests of one key delay only that key.
 *
 * Slots alone do not keep a busy key from slowing down others, because all keys share the
 * processors. A key is busy while its callers wait and another active key has none waiting. A busy
 * key cools down after each use: it gets that slot again later, other keys get it at once. The
 * more slots it has, the longer each cools down, so all of them together are in use for a tenth of
 * the time, or more once the cooldown has its maximum length. Keys that all wait do not cool down;
 * their turns are fair already.
 */
export class Limiter {
  readonly #bounds: Bounds;
  #held = 0;
  /** Slots by key, with those that cool down. */
  readonly #heldBy = new Map<string, number>();
  /** Waiting callers by key. The first key below its limit is next. */
  readonly #waiting = new Map<string, Set<Waiting>>();
  /** When each active key was last active, oldest first. A key that holds a slot is active, too. */
  readonly #active = new Map<string, number>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Number of slots in use. */
  get held(): number {
    return this.#held;
  }

  /** Notes that the key is active. */
  noteActive(key: string): void {
    const now = performance.now();
    this.#active.delete(key);
    for (const [other, at] of this.#active) {
      if (now - at < activeTime) break;
      this.#active.delete(other);
    }
    this.#active.set(key, now);
  }

  /** Whether another key is active. */
  isShared(key: string): boolean {
    return this.#hasActive((other) => other !== key);
  }

  /**
   * Number of slots of a key that holds all it may while another active key needs no more than it
   * has; otherwise 0.
   */
  slotsAtLimit(key: string): number {
    const hasEnough = (other: string) => this.#mayHaveMore(other) && !this.#waiting.has(other);
    const isAtLimit = !this.#mayHaveMore(key) && this.#hasActive(hasEnough);
    return isAtLimit ? this.#slotsOf(key) : 0;
  }

  /** Takes a slot if one is free; otherwise returns null. */
  take(key: string): Release | null {
    this.noteActive(key);
    if (this.#held >= this.#bounds.all || !this.#mayHaveMore(key)) return null;
    this.#held++;
    this.#heldBy.set(key, this.#slotsOf(key) + 1);
    const since = performance.now();
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#giveBack(key, performance.now() - since);
    };
  }

  /**
   * Resolves with a slot when it is the key's turn. Rejects with the signal's reason when it aborts
   * first. By default the signal never aborts.
   */
  wait(key: string, signal: AbortSignal = new AbortController().signal): Promise<Release> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const release = this.take(key);
    if (release) return Promise.resolve(release);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = (release) => {
        signal.removeEventListener('abort', leave);
        resolve(release);
      };
      const leave = () => {
        this.#drop(key, waiting);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.set(key, (this.#waiting.get(key) ?? new Set()).add(waiting));
    });
  }

  /** Runs work in a slot of the key. */
  async run<T>(key: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const release = await this.wait(key, signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Whether callers of the key wait while another active key has none waiting. */
  #isBusy(key: string): boolean {
    return this.#waiting.has(key) && this.#hasActive((other) => !this.#waiting.has(other));
  }

  #mayHaveMore(key: string): boolean {
    return this.#slotsOf(key) < this.#bounds.perKey;
  }

  #slotsOf(key: string): number {
    return this.#heldBy.get(key) ?? 0;
  }

  #hasActive(isMeant: (key: string) => boolean): boolean {
    const since = performance.now() - activeTime;
    for (const [key, at] of this.#active) if (at > since && isMeant(key)) return true;
    for (const key of this.#heldBy.keys()) if (isMeant(key)) return true;
    return false;
  }

  /** Gives back a slot that was used for so many milliseconds. */
  #giveBack(key: string, used: number): void {
    this.#held--;
    this.noteActive(key);
    const { longestCooldown = 0 } = this.#bounds;
    const cooldown = cooldownAfter(used, this.#slotsOf(key));
    const rest = this.#isBusy(key) ? Math.min(cooldown, longestCooldown) : 0;
    if (rest < 1) this.#endCooldown(key);
    else {
      setTimeout(() => this.#endCooldown(key), rest).unref();
      this.#serveNext();
    }
  }

  /** Lets the key use the slot again. */
  #endCooldown(key: string): void {
    const left = this.#slotsOf(key) - 1;
    if (left > 0) this.#heldBy.set(key, left);
    else this.#heldBy.delete(key);
    this.#serveNext();
  }

  #serveNext(): void {
    for (const [key, queue] of this.#waiting) {
      const release = this.take(key);
      if (!release) continue; // The key is at its limit.
      const [first] = queue;
      this.#waiting.delete(key);
      if (first) queue.delete(first);
      if (queue.size > 0) this.#waiting.set(key, queue); // At the end of the round.
      first?.(release);
      return;
    }
  }

  #drop(key: string, waiting: Waiting): void {
    const queue = this.#waiting.get(key);
    queue?.delete(waiting);
    if (queue?.size === 0) this.#waiting.delete(key);
  }
}

/** Milliseconds of cooldown after a use of so many milliseconds, for a key with so many slots. */
export const cooldownAfter = (used: number, slots: number): number => used * slots * restFactor;

/** Bounds that leave half of the slots to other keys. */
export const shared = (all: number): Bounds => ({ all, perKey: Math.ceil(all / 2) });
