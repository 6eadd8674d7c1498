import { pause } from '../async/pause.ts';

/**
 * Prometheus metrics of this process. Each metric is created once, when its module is loaded, so a
 * role shows the metrics of the modules that it loads.
 */

/** Timeout for a measurement, in milliseconds. */
const measureTimeout = 2_000;

/**
 * Each label with all its allowed values; any other value counts as `other`. Names that clients
 * chose are never allowed: readers of metrics must not see the names of gears, users, images and
 * hosts, and the number of values would have no limit.
 */
export type LabelSets = Readonly<Record<string, readonly string[]>>;
/** A label without a value is left out. */
export type LabelsOf<L extends LabelSets> = { readonly [K in keyof L]?: string | undefined };

/** One line of the output: the suffix of the metric's name, the formatted labels and the value. */
export type Sample = readonly [suffix: string, labels: string, value: number];

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Base of all metrics. `name` uses base units; the name of a counter ends in `_total`. */
export abstract class Metric<L extends LabelSets = LabelSets> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  abstract readonly type: MetricType;
  readonly #sets: (readonly [label: string, written: Map<string, string>])[];

  constructor(name: string, help: string, sets: L) {
    if (metrics.has(name)) throw new Error(`there are two metrics ${name}`);
    this.name = name;
    this.help = help;
    this.labels = Object.keys(sets);
    this.#sets = Object.entries(sets).map(([label, values]) => [
      label,
      new Map([...values, 'other'].map((value) => [value, `${label}="${value}"`])),
    ]);
    metrics.set(name, this);
  }

  abstract samples(): Iterable<Sample>;

  /** Updates values that are measured only at a scrape. */
  async measure(): Promise<void> {}

  /** Formats the labels. The result is also the key of their value. */
  protected written(labels: LabelsOf<L>): string {
    let text = '';
    for (const [label, written] of this.#sets) {
      const value = labels[label];
      if (value === undefined) continue;
      text += `${text === '' ? '' : ','}${written.get(value) ?? `${label}="other"`}`;
    }
    return text;
  }
}

/** All metrics by name. */
export const metrics = new Map<string, Metric>();

export type Measured<L extends LabelSets> = readonly (readonly [LabelsOf<L>, number])[];

/** A metric with one number for each set of labels. */
abstract class Single<L extends LabelSets> extends Metric<L> {
  /** A metric without labels starts at 0. */
  #values = new Map<string, number>(this.labels.length === 0 ? [['', 0]] : []);
  #measure: (() => Promise<Measured<L>>) | null = null;

  add(labels: LabelsOf<L>, amount = 1): void {
    const key = this.written(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  /** Measures the values at each scrape. A failure or a timeout leaves no values. */
  measuredBy(measure: () => Promise<Measured<L>>): this {
    this.#measure = measure;
    return this;
  }

  override async measure(): Promise<void> {
    if (this.#measure === null) return;
    const inTime = new AbortController();
    const late = pause(measureTimeout, inTime.signal).then(() => []);
    const measured = await Promise.race([this.#measure(), late]).catch(() => []);
    late.catch(() => undefined);
    inTime.abort();
    this.#values = new Map(measured.map(([labels, value]) => [this.written(labels), value]));
  }

  *samples(): Iterable<Sample> {
    for (const [labels, value] of this.#values) yield ['', labels, value];
  }
}

/** A value that only grows. */
export class Counter<L extends LabelSets> extends Single<L> {
  readonly type = 'counter';
}

/** A value that goes up and down. */
export class Gauge<L extends LabelSets> extends Single<L> {
  readonly type = 'gauge';
}

/** Counts the values that are at most as large as each bound. */
export class Histogram<L extends LabelSets> extends Metric<L> {
  readonly type = 'histogram';
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { counts: number[]; sum: number }>();

  constructor(name: string, help: string, sets: L, bounds: readonly number[]) {
    super(name, help, sets);
    this.#bounds = bounds;
  }

  observe(labels: LabelsOf<L>, value: number): void {
    const key = this.written(labels);
    const series = this.#series.get(key) ?? { counts: new Array(this.#bounds.length + 1).fill(0), sum: 0 };
    this.#series.set(key, series);
    let i = 0;
    while (value > (this.#bounds[i] ?? Number.POSITIVE_INFINITY)) i++;
    series.counts[i] = (series.counts[i] ?? 0) + 1;
    series.sum += value;
  }

  *samples(): Iterable<Sample> {
    for (const [labels, { counts, sum }] of this.#series) {
      const before = labels === '' ? '' : `${labels},`;
      let count = 0;
      for (const [i, more] of counts.entries()) {
        count += more;
        yield ['_bucket', `${before}le="${boundary(this.#bounds[i])}"`, count];
      }
      yield ['_sum', labels, sum];
      yield ['_count', labels, count];
    }
  }
}

/** Formats a bound as OpenMetrics requires: 1.0, not 1. */
function boundary(bound: number | undefined): string {
  if (bound === undefined) return '+Inf';
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}
