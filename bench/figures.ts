/**
 * What was measured: samples, and what is kept of them.
 *
 * @module
 */

/** What is kept of a number of samples. */
export interface Summary {
  median: number;
  min: number;
  max: number;
  /** The median distance from the median: how much a sample usually is off. */
  noise: number;
  n: number;
}

/** By subject ("tini"), then by metric ("end, ms"). */
export type Figures = Record<string, Record<string, Summary>>;

export const questions = [
  "memory",
  "start",
  "stop",
  "exec",
  "setuser",
  "users",
  "services",
  "orphans",
] as const;
export type Question = typeof questions[number];

export interface Results {
  /** The day it was measured. */
  date: string;
  machine: { cores: number; architecture: string; kernel: string; docker: string };
  /** How many orphans there were. */
  orphans: number;
  figures: Partial<Record<Question, Figures>>;
}

export function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function summarize(samples: number[]): Summary {
  const middle = median(samples);
  return {
    median: round(middle),
    min: round(Math.min(...samples)),
    max: round(Math.max(...samples)),
    noise: round(median(samples.map((it) => Math.abs(it - middle)))),
    n: samples.length,
  };
}

/** Four digits: more would be noise. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** Collects samples by subject and metric. */
export class Samples {
  #samples: Record<string, Record<string, number[]>> = {};

  add(subject: string, metric: string, sample: number): void {
    ((this.#samples[subject] ??= {})[metric] ??= []).push(sample);
  }

  /** Adds what each subject took beyond `bare` in the same round. */
  addBeyond(metric: string, round: Record<string, number>): void {
    for (const [subject, sample] of Object.entries(round)) {
      this.add(subject, metric, sample);
      if (subject !== "bare") this.add(subject, beyond(metric), sample - round.bare);
    }
  }

  figures(): Figures {
    const summarizeAll = (metrics: Record<string, number[]>) =>
      Object.fromEntries(Object.entries(metrics).map(([name, it]) => [name, summarize(it)]));
    return Object.fromEntries(
      Object.entries(this.#samples).map(([subject, it]) => [subject, summarizeAll(it)]),
    );
  }
}

export function beyond(metric: string): string {
  return `${metric}, beyond bare`;
}
