import { KumikoError } from '@kumiko/interface'
import type {
  CalculatedHistogramOptions,
  CalculatedMetricOptions,
  CalculatedSummaryOptions,
  CounterGroup,
  HistogramGroup,
  HistogramOptions,
  Counter as Libp2pCounter,
  Histogram as Libp2pHistogram,
  Metrics as Libp2pMetrics,
  Summary as Libp2pSummary,
  Metric,
  MetricGroup,
  MetricOptions,
  MultiaddrConnection,
  Stream,
  SummaryGroup,
  SummaryOptions,
} from '@libp2p/interface'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, Summary } from 'prom-client'

/** How {@link PrometheusMetrics} is made. */
export interface PrometheusMetricsOptions {
  /** Where they are kept. Default: a registry of their own. */
  readonly registry?: Registry
  /** Whether the process itself is measured: memory, event loop, garbage collection. Default true. */
  readonly process?: boolean
}

/** A group has so many values at most; what comes beyond is counted as {@link OTHER}: remotes may choose names. */
export const GROUP_VALUES_MAX = 1000

/** The value of a label for all that are too many. */
export const OTHER = 'other'

type Collect = () => Promise<void>

/** What holds for each kind of metric: it is made once, and those who register it again share it. */
interface Registered {
  readonly kind: 'gauge' | 'counter' | 'histogram' | 'summary'
  readonly label: string | undefined
  readonly metric: Gauge | Counter | Histogram | Summary
  /** Bounded by {@link GROUP_VALUES_MAX}. */
  readonly values: Set<string>
  /** Give values when they are read. Bounded by who registers. */
  readonly calculators: (() => Values | Promise<Values>)[]
  /** Runs before each reading: takes what the calculators give. */
  readonly collectors: Set<Collect>
}

/**
 * Metrics for Prometheus, by libp2p's interface: what any part of a Host registers is read at `/metrics`. A name may be registered more than
 * once, by parts of one kind in several places: they then count together.
 */
export class PrometheusMetrics implements Libp2pMetrics {
  /** All of them, for who serves them. */
  readonly registry: Registry
  readonly #registered = new Map<string, Registered>()
  readonly #transfer: CounterGroup

  constructor({ registry = new Registry(), process = true }: PrometheusMetricsOptions = {}) {
    this.registry = registry
    if (process) collectDefaultMetrics({ register: registry })
    this.#transfer = this.registerCounterGroup('libp2p_data_transfer_bytes_total', {
      label: 'protocol',
      help: 'Bytes by protocol and way.',
    })
  }

  trackMultiaddrConnection(connection: MultiaddrConnection): void {
    this.#track(connection, 'global')
  }

  trackProtocolStream(stream: Stream): void {
    if (stream.protocol !== '') this.#track(stream, stream.protocol)
  }

  registerMetric(name: string, options: CalculatedMetricOptions): void
  registerMetric(name: string, options?: MetricOptions): Metric
  registerMetric(name: string, options: MetricOptions & Partial<CalculatedMetricOptions> = {}): Metric {
    const { registered, metric } = this.#gauge(name, options, undefined)
    collectSum(registered, options.calculate, (value) => metric.set(value))
    return {
      update: (value) => metric.set(value),
      increment: (value = 1) => metric.inc(value),
      decrement: (value = 1) => metric.dec(value),
      reset: () => metric.reset(),
      timer: () => metric.startTimer(),
    }
  }

  registerMetricGroup(name: string, options: CalculatedMetricOptions<Record<string, number>>): void
  registerMetricGroup(name: string, options?: MetricOptions): MetricGroup
  registerMetricGroup(name: string, options: MetricOptions & Partial<CalculatedMetricOptions<Record<string, number>>> = {}): MetricGroup {
    const { registered, metric, label } = this.#gauge(name, options, options.label ?? labelOf(name))
    const each = eachOf(registered, label)
    collectEach(registered, options.calculate, (values) => {
      metric.reset()
      each(values, (labels, value) => metric.set(labels, value))
    })
    return {
      update: (values) => each(values, (labels, value) => metric.set(labels, value)),
      increment: (values) => each(values, (labels, value) => metric.inc(labels, value)),
      decrement: (values) => each(values, (labels, value) => metric.dec(labels, value)),
      reset: () => metric.reset(),
      timer: (key) => metric.startTimer({ [label]: bounded(registered, key) }),
    }
  }

  registerCounter(name: string, options: CalculatedMetricOptions): void
  registerCounter(name: string, options?: MetricOptions): Libp2pCounter
  registerCounter(name: string, options: MetricOptions & Partial<CalculatedMetricOptions> = {}): Libp2pCounter {
    const { registered, metric } = this.#counter(name, options, undefined)
    collectSum(registered, options.calculate, (value) => {
      metric.reset()
      metric.inc(Math.max(0, value))
    })
    return { increment: (value = 1) => metric.inc(Math.max(0, value)), reset: () => metric.reset() }
  }

  registerCounterGroup(name: string, options: CalculatedMetricOptions<Record<string, number>>): void
  registerCounterGroup(name: string, options?: MetricOptions): CounterGroup
  registerCounterGroup(name: string, options: MetricOptions & Partial<CalculatedMetricOptions<Record<string, number>>> = {}): CounterGroup {
    const { registered, metric, label } = this.#counter(name, options, options.label ?? labelOf(name))
    const each = eachOf(registered, label)
    collectEach(registered, options.calculate, (values) => {
      metric.reset()
      each(values, (labels, value) => metric.inc(labels, Math.max(0, value)))
    })
    return { increment: (values) => each(values, (labels, value) => metric.inc(labels, Math.max(0, value))), reset: () => metric.reset() }
  }

  registerHistogram(name: string, options: CalculatedHistogramOptions): void
  registerHistogram(name: string, options?: HistogramOptions): Libp2pHistogram
  registerHistogram(name: string, options: HistogramOptions & Partial<CalculatedHistogramOptions> = {}): Libp2pHistogram {
    const { registered, metric } = this.#histogram(name, options, undefined)
    collectSum(registered, options.calculate, (value) => metric.observe(value))
    return { observe: (value) => metric.observe(value), reset: () => metric.reset(), timer: () => metric.startTimer() }
  }

  registerHistogramGroup(name: string, options: CalculatedHistogramOptions<Record<string, number>>): void
  registerHistogramGroup(name: string, options?: HistogramOptions): HistogramGroup
  registerHistogramGroup(
    name: string,
    options: HistogramOptions & Partial<CalculatedHistogramOptions<Record<string, number>>> = {},
  ): HistogramGroup {
    const { registered, metric, label } = this.#histogram(name, options, options.label ?? labelOf(name))
    const each = eachOf(registered, label)
    const observe = (values: Partial<Record<string, number | true>>): void => each(values, (labels, value) => metric.observe(labels, value))
    collectEach(registered, options.calculate, observe)
    return { observe, reset: () => metric.reset(), timer: (key) => metric.startTimer({ [label]: bounded(registered, key) }) }
  }

  registerSummary(name: string, options: CalculatedSummaryOptions): void
  registerSummary(name: string, options?: SummaryOptions): Libp2pSummary
  registerSummary(name: string, options: SummaryOptions & Partial<CalculatedSummaryOptions> = {}): Libp2pSummary {
    const { registered, metric } = this.#summary(name, options, undefined)
    collectSum(registered, options.calculate, (value) => metric.observe(value))
    return { observe: (value) => metric.observe(value), reset: () => metric.reset(), timer: () => metric.startTimer() }
  }

  registerSummaryGroup(name: string, options: CalculatedSummaryOptions<Record<string, number>>): void
  registerSummaryGroup(name: string, options?: SummaryOptions): SummaryGroup
  registerSummaryGroup(
    name: string,
    options: SummaryOptions & Partial<CalculatedSummaryOptions<Record<string, number>>> = {},
  ): SummaryGroup {
    const { registered, metric, label } = this.#summary(name, options, options.label ?? labelOf(name))
    const each = eachOf(registered, label)
    const observe = (values: Partial<Record<string, number | true>>): void => each(values, (labels, value) => metric.observe(labels, value))
    collectEach(registered, options.calculate, observe)
    return { observe, reset: () => metric.reset(), timer: (key) => metric.startTimer({ [label]: bounded(registered, key) }) }
  }

  /** Traces are not kept. */
  traceFunction<F>(_name: string, traced: F): F {
    return traced
  }

  /** Traces are not kept. */
  createTrace(): undefined {
    return undefined
  }

  #track(stream: MultiaddrConnection | Stream, protocol: string): void {
    stream.addEventListener('message', (event) => this.#transfer.increment({ [`${protocol} received`]: event.data.byteLength }))
    const send = stream.send.bind(stream)
    stream.send = (data) => {
      this.#transfer.increment({ [`${protocol} sent`]: data.byteLength })
      return send(data)
    }
  }

  #gauge(name: string, options: MetricOptions, label: string | undefined) {
    return this.#register(name, 'gauge', label, (settings) => new Gauge(settings), isGauge, options)
  }

  #counter(name: string, options: MetricOptions, label: string | undefined) {
    return this.#register(name, 'counter', label, (settings) => new Counter(settings), isCounter, options)
  }

  #histogram(name: string, options: HistogramOptions, label: string | undefined) {
    const { buckets } = options
    return this.#register(
      name,
      'histogram',
      label,
      (settings) => new Histogram({ ...settings, ...(buckets && { buckets }) }),
      isHistogram,
      options,
    )
  }

  #summary(name: string, options: SummaryOptions, label: string | undefined) {
    const { percentiles, maxAgeSeconds, ageBuckets, pruneAgedBuckets } = options
    const rest = {
      ...(percentiles && { percentiles }),
      ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
      ...(ageBuckets !== undefined && { ageBuckets }),
      ...(pruneAgedBuckets !== undefined && { pruneAgedBuckets }),
    }
    return this.#register(name, 'summary', label, (settings) => new Summary({ ...settings, ...rest }), isSummary, options)
  }

  #register<M extends Registered['metric']>(
    named: string,
    kind: Registered['kind'],
    labelled: string | undefined,
    make: (settings: Settings) => M,
    is: (metric: Registered['metric']) => metric is M,
    { help = named }: MetricOptions,
  ): { readonly registered: Registered; readonly metric: M; readonly label: string } {
    const name = nameOf(named)
    const label = labelled === undefined ? undefined : nameOf(labelled)
    const known = this.#registered.get(name)
    if (known !== undefined) {
      if (known.kind !== kind || known.label !== label || !is(known.metric)) throw registeredOtherwise(name)
      return { registered: known, metric: known.metric, label: label ?? '' }
    }
    const collectors = new Set<Collect>()
    const collect = async (): Promise<void> => {
      for (const each of collectors) await each()
    }
    const metric = make({ name, help, labelNames: label === undefined ? [] : [label], registers: [this.registry], collect })
    const registered = { kind, label, metric, values: new Set<string>(), calculators: [], collectors }
    this.#registered.set(name, registered)
    return { registered, metric, label: label ?? '' }
  }
}

interface Settings {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
  readonly registers: Registry[]
  readonly collect: () => Promise<void>
}

const isGauge = (metric: Registered['metric']): metric is Gauge => metric instanceof Gauge
const isCounter = (metric: Registered['metric']): metric is Counter => metric instanceof Counter
const isHistogram = (metric: Registered['metric']): metric is Histogram => metric instanceof Histogram
const isSummary = (metric: Registered['metric']): metric is Summary => metric instanceof Summary

type Values = Record<string, number>
type Calculate<T> = (() => T | Promise<T>) | undefined

/** Those who register a calculated metric of one name are asked together, and their values add up. */
function collectSum(registered: Registered, calculate: Calculate<number>, take: (sum: number) => void): void {
  if (calculate !== undefined)
    collectEach(
      registered,
      async () => ({ '': await calculate() }),
      (values) => take(values[''] ?? 0),
    )
}

function collectEach({ calculators, collectors }: Registered, calculate: Calculate<Values>, take: (values: Values) => void): void {
  if (calculate === undefined || calculators.push(calculate) > 1) return
  collectors.add(async () => {
    const sums = new Map<string, number>()
    for (const each of calculators) {
      for (const [key, value] of Object.entries(await each())) sums.set(key, (sums.get(key) ?? 0) + value)
    }
    take(Object.fromEntries(sums))
  })
}

function eachOf(registered: Registered, label: string) {
  return (values: Partial<Record<string, number | true>>, take: (labels: Record<string, string>, value: number) => void): void => {
    for (const [key, value] of Object.entries(values)) {
      if (value !== undefined) take({ [label]: bounded(registered, key) }, value === true ? 1 : value)
    }
  }
}

function bounded({ values }: Registered, value: string): string {
  if (values.has(value)) return value
  if (values.size >= GROUP_VALUES_MAX) return OTHER
  values.add(value)
  return value
}

/** Prometheus' own form. */
function nameOf(name: string): string {
  const clean = name.replaceAll(/[^a-zA-Z0-9_]+/g, '_')
  return /^\d/.test(clean) ? `_${clean}` : clean
}

/** As in libp2p's own: the last word of the name. */
function labelOf(name: string): string {
  return nameOf(name).split('_').at(-1) || 'label'
}

function registeredOtherwise(name: string): KumikoError {
  const message = `metric ${name} was registered as something else, or with another label: give it another name`
  return new KumikoError('operations/registered-otherwise', message, { context: { name } })
}
