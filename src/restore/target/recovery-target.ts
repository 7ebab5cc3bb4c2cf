import { hasControlCharacter } from '../../shared/has-control-character.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { formatLongTime, type Timestamp } from '../../shared/timestamp.ts';
import { formatLsn, type Lsn, parseLsn } from '../../wal/lsn.ts';
import { type Refuse, throwRefusal } from '../guards/refusals.ts';
import type { RestoreRequest } from '../plan/restore-options.ts';
import { parseTargetTime, type ServerZone } from './target-time.ts';

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
  /** A point in time is asked for: a target, or a timeline alone (docs/reference/engine.md section 12.4). */
  readonly isPitr: boolean;
  readonly warnings: readonly string[];
}

/** PostgreSQL keeps names of restore points in 64 bytes. */
const longestName = 63;

/**
 * Reads the target options; all that reaches a configuration file is checked here.
 * @param zone that a time without one is read in; the host's when it is not known
 * @throws OperatorError `target-invalid`, or hands each reason to `refuse`
 */
export function parseTarget(request: TargetRequest, zone?: ServerZone, refuse: Refuse = throwRefusal): ParsedTarget {
  const warnings: string[] = [];
  const targets: RecoveryTarget[] = [];
  const read = <T>(value: T | undefined, parse: (value: T) => RecoveryTarget): void => {
    if (value === undefined) return;
    try {
      targets.push(parse(value));
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      refuse(error);
    }
  };
  read(request.targetTime, (text) => {
    const { time, warnings: about } = parseTargetTime(text, zone);
    warnings.push(...about);
    return { kind: 'time', time };
  });
  read(request.targetXid, parseXid);
  read(request.targetLsn, parseLsnTarget);
  read(request.targetName, parseName);
  if (request.isImmediate) targets.push({ kind: 'immediate' });
  const [target = { kind: 'none' } as const, second] = targets;
  if (second !== undefined) {
    const text = 'You cannot specify multiple targets for the recovery operation';
    throw new OperatorError('target-invalid', text, { asBarman: text });
  }
  const { targetTime, targetXid, targetLsn, targetName, targetTimeline } = request;
  const isPitr =
    request.isImmediate || [targetTime, targetXid, targetLsn, targetName, targetTimeline].some((asked) => asked !== undefined);
  if (request.action !== undefined && !isPitr)
    refuse(
      invalid(
        "Can't enable recovery target action when PITR is not required",
        'give a recovery target or --target-tli, or leave --target-action out',
      ),
    );
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

function parseXid(text: string): RecoveryTarget {
  const xid = text.trim();
  if (!/^\d{1,20}$/.test(xid)) throw invalid(`'${text}' is not a transaction id, which is a whole number`);
  return { kind: 'xid', xid };
}

function parseLsnTarget(text: string): RecoveryTarget {
  const lsn = parseLsn(text);
  if (lsn === undefined) throw invalid(`'${text}' is not an LSN, which is written as 16/B374D848`);
  return { kind: 'lsn', lsn };
}

function parseName(name: string): RecoveryTarget {
  if (name === '') throw invalid('the name of a restore point cannot be empty');
  if (hasControlCharacter(name)) throw invalid('the name of a restore point cannot hold control characters');
  if (Buffer.byteLength(name) > longestName)
    throw invalid(`the name of a restore point has at most ${String(longestName)} bytes: '${name}'`);
  return { kind: 'name', name };
}

function invalid(message: string, hint?: string): OperatorError {
  return new OperatorError('target-invalid', message, hint === undefined ? {} : { hint });
}
