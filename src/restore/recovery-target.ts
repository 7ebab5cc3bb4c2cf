import { OperatorError } from '../shared/operator-error.ts';
import { formatLongTime, parseTimestamp, type Timestamp } from '../shared/timestamp.ts';
import { formatLsn, type Lsn, parseLsn } from '../wal/lsn.ts';
import type { RestoreRequest } from './restore-options.ts';

/** Where replay stops. */
export type RecoveryTarget =
  | { readonly kind: 'none' }
  | { readonly kind: 'time'; readonly time: Timestamp }
  | { readonly kind: 'xid'; readonly xid: string }
  | { readonly kind: 'lsn'; readonly lsn: Lsn }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'immediate' };

type TargetRequest = Pick<
  RestoreRequest,
  'targetTimeline' | 'targetTime' | 'targetXid' | 'targetLsn' | 'targetName' | 'isImmediate' | 'isExclusive' | 'action'
>;

interface ParsedTarget {
  readonly target: RecoveryTarget;
  /** A point in time is asked for: a target, or a timeline alone (engine.md section 12.4). */
  readonly isPitr: boolean;
  readonly warnings: readonly string[];
}

/** PostgreSQL keeps names of restore points in 64 bytes. */
const longestName = 63;

/**
 * Reads the target options; all that reaches a configuration file is checked here.
 * @throws OperatorError `target-invalid`
 */
export function parseTarget(request: TargetRequest): ParsedTarget {
  const warnings: string[] = [];
  const targets: RecoveryTarget[] = [];
  if (request.targetTime !== undefined) targets.push(parseTime(request.targetTime, warnings));
  if (request.targetXid !== undefined) targets.push(parseXid(request.targetXid));
  if (request.targetLsn !== undefined) targets.push(parseLsnTarget(request.targetLsn));
  if (request.targetName !== undefined) targets.push(parseName(request.targetName));
  if (request.isImmediate) targets.push({ kind: 'immediate' });
  const [target = { kind: 'none' } as const, second] = targets;
  if (second !== undefined) throw invalid('you cannot specify multiple targets for the recovery operation');
  const isPitr = target.kind !== 'none' || request.targetTimeline !== undefined;
  if (request.action !== undefined && !isPitr) throw invalid('--target-action needs a recovery target or --target-tli');
  if (request.isExclusive && !takesExclusive(target)) {
    warnings.push('--exclusive has no effect without --target-time, --target-xid or --target-lsn');
  }
  return { target, isPitr, warnings };
}

/** Whether `recovery_target_inclusive` means something for a target. */
export function takesExclusive({ kind }: RecoveryTarget): boolean {
  return kind === 'time' || kind === 'xid' || kind === 'lsn';
}

/** `time: '2026-01-01 10:20:00+00:00'`, as the line `Doing PITR` has it. */
export function describeTarget(target: Exclude<RecoveryTarget, { kind: 'none' }>): string {
  switch (target.kind) {
    case 'time':
      return `time: '${formatLongTime(target.time)}'`;
    case 'xid':
      return `xid: '${target.xid}'`;
    case 'lsn':
      return `lsn: '${formatLsn(target.lsn)}'`;
    case 'name':
      return `name: ${target.name.includes("'") ? `"${target.name}"` : `'${target.name}'`}`;
    case 'immediate':
      return 'immediate: True';
  }
}

function parseTime(text: string, warnings: string[]): RecoveryTarget {
  const time = readTime(text);
  if (!time.hasZone) {
    const zone = formatLongTime(time).slice(-6);
    warnings.push(`No time zone has been specified through '--target-time': the time zone of this host (${zone}) is assumed`);
  }
  return { kind: 'time', time: { epochMicros: time.epochMicros, offsetMinutes: time.offsetMinutes } };
}

function readTime(text: string): Timestamp & { readonly hasZone: boolean } {
  let reason: unknown;
  try {
    const time = parseTimestamp(text);
    if (time !== undefined) return time;
  } catch (error) {
    reason = error; // an offset that no zone has
  }
  throw new OperatorError('target-invalid', `unable to parse the target time '${text}'`, {
    hint: "write it as '2026-01-31 08:59:00+01:00'",
    cause: reason,
  });
}

function parseXid(text: string): RecoveryTarget {
  const xid = text.trim();
  if (!/^\d{1,20}$/.test(xid)) throw invalid(`'${text}' is no transaction id: it is a whole number`);
  return { kind: 'xid', xid };
}

function parseLsnTarget(text: string): RecoveryTarget {
  const lsn = parseLsn(text);
  if (lsn === undefined) throw invalid(`'${text}' is no LSN: it is written as 16/B374D848`);
  return { kind: 'lsn', lsn };
}

function parseName(name: string): RecoveryTarget {
  if (name === '') throw invalid('the name of a restore point cannot be empty');
  if (/\p{Cc}/u.test(name)) throw invalid('the name of a restore point cannot hold control characters');
  if (Buffer.byteLength(name) > longestName)
    throw invalid(`the name of a restore point has at most ${String(longestName)} bytes: '${name}'`);
  return { kind: 'name', name };
}

function invalid(message: string): OperatorError {
  return new OperatorError('target-invalid', message);
}
