/** Releases a slot. Further calls have no effect. */
export type Release = () => void;

export interface Bounds {
  /** Total number of slots. */
  all: number;
  /** Maximum number of slots per key. */
  perKey: number;
  /** Whether a busy key cools down; see Limiter. */
  coolsDown?: boolean;
}

/** Milliseconds during which a key counts as active after a call. */
const activeTime = 10_000;

/** Length of a cooldown as a multiple of the use: a busy key works an eleventh of the time. */
const cooldown = 10;

/** Maximum length of a cooldown, in milliseconds. */
const longestCooldown = 10_000;

/** Hands a slot to a waiting caller. */
type Waiting = (place: Release) => void;

/**
 * Limits concurrent slots, in total and per key. Free slots go to the waiting keys in turn (round
 * robin), and within a key in the order of the calls: many requests of one key delay only that key.
 *
 * Slots alone do not keep a busy key from slowing down the others, because all of them share the
 * processors. So a key with waiting callers cools down after each use while another active key has
 * none: it gets that slot again later, and other keys get it at once. Keys that all wait do not
 * cool down; their turns are fair already.
 */
export class Limiter {
  readonly #bounds: Bounds;
  #held = 0;
  /** Slots by key, with those that cool down. */
  readonly #heldBy = new Map<string, number>();
  /** Waiting callers by key. The first key below its limit is next. */
  readonly #waiting = new Map<string, Set<Waiting>>();
  /** When each active key called last; the one whose last call is oldest comes first. */
  readonly #active = new Map<string, number>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Number of slots in use. */
  get held(): number {
    return this.#held;
  }

  /** Notes that the key is active. Returns whether another one is, too. */
  isShared(key: string): boolean {
    const now = performance.now();
    this.#active.delete(key);
    for (const [other, at] of this.#active) {
      if (now - at < activeTime) break;
      this.#active.delete(other);
    }
    return this.#active.set(key, now).size > 1;
  }

  /** Takes a slot if one is free; otherwise returns null. */
  take(key: string): Release | null {
    this.isShared(key);
    if (this.#held >= this.#bounds.all || !this.#mayHaveMore(key)) return null;
    this.#held++;
    this.#heldBy.set(key, (this.#heldBy.get(key) ?? 0) + 1);
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
      const waiting: Waiting = (place) => {
        signal.removeEventListener('abort', leave);
        resolve(place);
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

  #mayHaveMore(key: string): boolean {
    return (this.#heldBy.get(key) ?? 0) < this.#bounds.perKey;
  }

  /** Gives back a slot that was used for so many milliseconds. */
  #giveBack(key: string, used: number): void {
    this.#held--;
    const rest = this.#isBusy(key) ? cooldownAfter(used) : 0;
    if (rest < 1) this.#coolDown(key);
    else {
      setTimeout(() => this.#coolDown(key), rest).unref();
      this.#serveNext();
    }
  }

  /** Whether callers of the key wait while an active key has none that wait. */
  #isBusy(key: string): boolean {
    if (!this.#bounds.coolsDown || !this.#waiting.has(key)) return false;
    const since = performance.now() - activeTime;
    for (const [other, at] of this.#active) if (at > since && !this.#waiting.has(other)) return true;
    return false;
  }

  /** Lets the key use a slot again. */
  #coolDown(key: string): void {
    const left = (this.#heldBy.get(key) ?? 0) - 1;
    if (left > 0) this.#heldBy.set(key, left);
    else this.#heldBy.delete(key);
    this.#serveNext();
  }

  #serveNext(): void {
    for (const [key, queue] of this.#waiting) {
      const release = this.take(key);
      if (!release) continue; // The key is at its limit.
      const [first] = queue;
      if (first) {
        this.#drop(key, first);
        this.#toTheEnd(key);
        first(release);
      }
      return;
    }
  }

  #drop(key: string, waiting: Waiting): void {
    const queue = this.#waiting.get(key);
    queue?.delete(waiting);
    if (queue?.size === 0) this.#waiting.delete(key);
  }

  #toTheEnd(key: string): void {
    const queue = this.#waiting.get(key);
    if (!queue) return;
    this.#waiting.delete(key);
    this.#waiting.set(key, queue);
  }
}

/** Milliseconds of cooldown after a use of so many milliseconds. */
export const cooldownAfter = (used: number): number => Math.min(used * cooldown, longestCooldown);

/** Bounds that leave half of the slots to other keys. */
export const halves = (all: number): Bounds => ({ all, perKey: Math.ceil(all / 2) });

/** Bounds for work, which a busy key leaves to others. */
export const shared = (all: number): Bounds => ({ ...halves(all), coolsDown: true });
