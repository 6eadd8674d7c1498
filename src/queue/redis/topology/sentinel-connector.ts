import { SentinelConnector } from 'ioredis';

/**
 * ioredis's connector for Sentinels, without its race (6.0; compare redis/ioredis#1683): a failover
 * that a Sentinel announces while a lost connection asks for the master ends that connection for
 * good. This one asks again.
 */
export class FailoverConnector extends SentinelConnector {
  #isAsking = false;
  #isOutdated = false;
  /** The detector whose announcement, or end, has been handled. */
  #handled: unknown = null;

  override async connect(emit: (type: string, error: Error) => void) {
    this.#isAsking = true;
    try {
      for (;;) {
        this.#isOutdated = false;
        const stream = await super.connect(emit);
        // A connection that was closed meanwhile ends with its stream.
        if (!this.#isOutdated || !this.connecting) return stream;
        stream.destroy();
      }
    } finally {
      this.#isAsking = false;
    }
  }

  /** ioredis calls this when it closes the connection, and its detector when the master changes. */
  override disconnect(): void {
    // Private members of ioredis: it offers no other way to tell the two callers apart.
    const detector = this['failoverDetector'];
    const isAnnounced = detector !== this.#handled && detector?.['isDisconnected'] === true;
    this.#handled = detector;
    if (isAnnounced && this.#isAsking) this.#isOutdated = true;
    else super.disconnect();
  }
}
