/** Releases a slot. Further calls have no effect. */
export type Release = () => void;

export interface Bounds {
  /** Total number of slots. */
  all: number;
  /** Maximum number of slots per key. */
  perKey: number;
}

/** Hands a slot to a waiting caller. */
type Waiting = (place: Release) => void;

/**
 * Limits concurrent slots, in total and per key. Free slots go to the waiting keys in turn (round
 * robin), and within a key in the order of the calls: many requests of one key delay only that key.
 */
export class Limiter {
  readonly #bounds: Bounds;
  #held = 0;
  readonly #heldBy = new Map<string, number>();
  /** Waiting callers by key. The first key below its limit is next. */
  readonly #waiting = new Map<string, Set<Waiting>>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Number of slots in use. */
  get held(): number {
    return this.#held;
  }

  /** Takes a slot if one is free; otherwise returns null. */
  take(key: string): Release | null {
    if (this.#held >= this.#bounds.all || !this.#mayHaveMore(key)) return null;
    this.#held++;
    this.#heldBy.set(key, (this.#heldBy.get(key) ?? 0) + 1);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#giveBack(key);
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

  #giveBack(key: string): void {
    this.#held--;
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

/** Bounds that leave half of the slots to other keys. */
export const shared = (all: number): Bounds => ({ all, perKey: Math.ceil(all / 2) });
