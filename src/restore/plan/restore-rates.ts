import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerLayout } from '../../catalog/server-layout.ts';
import { writeFileDurably } from '../../shared/durable-file.ts';

/** A part of a restore that takes time. */
export type StageName = 'decrypt' | 'unpack' | 'combine' | 'copy' | 'send' | 'wal' | 'sync';

/** How long a stage took for so many bytes. */
export interface StageOutcome {
  readonly stage: StageName;
  readonly bytes: number;
  readonly seconds: number;
}

/** An earlier outcome and where the restore went. */
export interface MeasuredRate extends StageOutcome {
  /** `local`, or the host. */
  readonly host: string;
}

const keptRates = 60;
const judgedRates = 9;
/** Smaller ones say more about starting programs than about copying. */
const leastBytes = 4 * 1024 * 1024;

/** The durations of earlier restores of a server; additional data, which may be removed at any time. */
export async function readRates(layout: ServerLayout): Promise<readonly MeasuredRate[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(ratesPath(layout), 'utf8'));
    return Array.isArray(parsed) ? parsed.filter(isRate) : [];
  } catch {
    return []; // missing, unreadable or damaged: an estimate is all that depends on it
  }
}

/** Adds outcomes of a restore. */
export async function recordRates(layout: ServerLayout, host: string, outcomes: readonly StageOutcome[]): Promise<void> {
  const fresh = outcomes.filter(({ bytes, seconds }) => bytes >= leastBytes && seconds > 0).map((one) => ({ ...one, host }));
  if (fresh.length === 0) return;
  const kept = [...(await readRates(layout)), ...fresh].slice(-keptRates);
  await writeFileDurably(ratesPath(layout), `${JSON.stringify(kept, undefined, 1)}\n`);
}

/** Bytes a second of a stage: the median of the last measurements; undefined when there are none. */
export function rateOf(stage: StageName, host: string, rates: readonly MeasuredRate[]): number | undefined {
  const found = rates
    .filter((rate) => rate.stage === stage && rate.host === host)
    .slice(-judgedRates)
    .map(({ bytes, seconds }) => bytes / seconds)
    .toSorted((a, b) => a - b);
  return found[Math.floor(found.length / 2)];
}

function isRate(value: unknown): value is MeasuredRate {
  if (typeof value !== 'object' || value === null) return false;
  const { stage, host, bytes, seconds } = value as Record<string, unknown>; // an object is a record
  return typeof stage === 'string' && typeof host === 'string' && isPositive(bytes) && isPositive(seconds);
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function ratesPath(layout: ServerLayout): string {
  return join(layout.root, '.pgcellar', 'restore-rates.json');
}
